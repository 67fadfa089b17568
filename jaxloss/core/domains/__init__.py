"""The types in the signatures of losses: which values an argument takes, in which layout.

An array type names the last axes, which form one event; the axes before them are the batch, and
axes of one name are equally long in all arrays of a loss. A hyper-parameter type says in which
interval the number lies. Both carry ordinary numbers, of which tests and benchmarks draw inputs,
and are read by the check in `signature` and by the catalog. A domain is known by its record alone:
no other module has a table of the names of domains.
"""

from jaxloss.core.domains.arrays import Angle as Angle
from jaxloss.core.domains.arrays import Concentration as Concentration
from jaxloss.core.domains.arrays import Dispersion as Dispersion
from jaxloss.core.domains.arrays import Label as Label
from jaxloss.core.domains.arrays import Logit as Logit
from jaxloss.core.domains.arrays import Logits as Logits
from jaxloss.core.domains.arrays import LogProbabilities as LogProbabilities
from jaxloss.core.domains.arrays import LogRate as LogRate
from jaxloss.core.domains.arrays import MultiHot as MultiHot
from jaxloss.core.domains.arrays import NonNegativeReal as NonNegativeReal
from jaxloss.core.domains.arrays import NonZeroReal as NonZeroReal
from jaxloss.core.domains.arrays import OpenProbability as OpenProbability
from jaxloss.core.domains.arrays import Point as Point
from jaxloss.core.domains.arrays import PositiveReal as PositiveReal
from jaxloss.core.domains.arrays import Probability as Probability
from jaxloss.core.domains.arrays import Real as Real
from jaxloss.core.domains.arrays import Score as Score
from jaxloss.core.domains.arrays import Scores as Scores
from jaxloss.core.domains.arrays import SharedReal as SharedReal
from jaxloss.core.domains.arrays import Sign as Sign
from jaxloss.core.domains.arrays import Simplex as Simplex
from jaxloss.core.domains.arrays import UncheckedLogits as UncheckedLogits
from jaxloss.core.domains.arrays import Variance as Variance
from jaxloss.core.domains.arrays import Vector as Vector
from jaxloss.core.domains.base import ArrayDomain as ArrayDomain
from jaxloss.core.domains.base import HyperDomain as HyperDomain
from jaxloss.core.domains.base import Scale as Scale
from jaxloss.core.domains.base import Values as Values
from jaxloss.core.domains.base import WholeDomain as WholeDomain
from jaxloss.core.domains.hyperparameters import AtLeastOne as AtLeastOne
from jaxloss.core.domains.hyperparameters import ClassWeights as ClassWeights
from jaxloss.core.domains.hyperparameters import Extended as Extended
from jaxloss.core.domains.hyperparameters import NonNegative as NonNegative
from jaxloss.core.domains.hyperparameters import Number as Number
from jaxloss.core.domains.hyperparameters import OpenUnit as OpenUnit
from jaxloss.core.domains.hyperparameters import Positive as Positive
from jaxloss.core.domains.hyperparameters import Unit as Unit
from jaxloss.core.domains.hyperparameters import ZeroToTwo as ZeroToTwo
from jaxloss.core.domains.images import FeatureMap as FeatureMap
from jaxloss.core.domains.images import Image as Image
from jaxloss.core.domains.sets import Embeddings as Embeddings
from jaxloss.core.domains.sets import FrameCounts as FrameCounts
from jaxloss.core.domains.sets import FrameLogits as FrameLogits
from jaxloss.core.domains.sets import Groups as Groups
from jaxloss.core.domains.sets import ItemScores as ItemScores
from jaxloss.core.domains.sets import Keys as Keys
from jaxloss.core.domains.sets import LabelCounts as LabelCounts
from jaxloss.core.domains.sets import PixelLabels as PixelLabels
from jaxloss.core.domains.sets import PixelLogits as PixelLogits
from jaxloss.core.domains.sets import PixelScores as PixelScores
from jaxloss.core.domains.sets import PixelSigns as PixelSigns
from jaxloss.core.domains.sets import Region as Region
from jaxloss.core.domains.sets import Regions as Regions
from jaxloss.core.domains.sets import Relevance as Relevance
from jaxloss.core.domains.sets import SequenceLabels as SequenceLabels
