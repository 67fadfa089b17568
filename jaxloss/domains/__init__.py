"""The types in the signatures of losses: which values an argument takes, in which layout.

An array type says how many trailing axes form one event; the axes before them are the batch.
A hyper-parameter type says in which interval the number lies. Both are read by the check in
`contract`, by the tests that draw inputs, and by the catalog.
"""

from jaxloss.domains.examples import Angle as Angle
from jaxloss.domains.examples import Concentration as Concentration
from jaxloss.domains.examples import KeptLogits as KeptLogits
from jaxloss.domains.examples import Label as Label
from jaxloss.domains.examples import Logit as Logit
from jaxloss.domains.examples import Logits as Logits
from jaxloss.domains.examples import LogProbabilities as LogProbabilities
from jaxloss.domains.examples import MultiHot as MultiHot
from jaxloss.domains.examples import NonNegativeReal as NonNegativeReal
from jaxloss.domains.examples import NonZeroReal as NonZeroReal
from jaxloss.domains.examples import OpenProbability as OpenProbability
from jaxloss.domains.examples import Point as Point
from jaxloss.domains.examples import PositiveReal as PositiveReal
from jaxloss.domains.examples import Probability as Probability
from jaxloss.domains.examples import Real as Real
from jaxloss.domains.examples import Score as Score
from jaxloss.domains.examples import Scores as Scores
from jaxloss.domains.examples import SharedReal as SharedReal
from jaxloss.domains.examples import Sign as Sign
from jaxloss.domains.examples import Simplex as Simplex
from jaxloss.domains.examples import Spread as Spread
from jaxloss.domains.examples import Variance as Variance
from jaxloss.domains.examples import Vector as Vector
from jaxloss.domains.images import FeatureMap as FeatureMap
from jaxloss.domains.images import Image as Image
from jaxloss.domains.kinds import ArrayDomain as ArrayDomain
from jaxloss.domains.kinds import HyperDomain as HyperDomain
from jaxloss.domains.kinds import Values as Values
from jaxloss.domains.kinds import WholeDomain as WholeDomain
from jaxloss.domains.numbers import AtLeastOne as AtLeastOne
from jaxloss.domains.numbers import ClassWeights as ClassWeights
from jaxloss.domains.numbers import Extended as Extended
from jaxloss.domains.numbers import NonNegative as NonNegative
from jaxloss.domains.numbers import Number as Number
from jaxloss.domains.numbers import OpenUnit as OpenUnit
from jaxloss.domains.numbers import Positive as Positive
from jaxloss.domains.numbers import Unit as Unit
from jaxloss.domains.numbers import ZeroToTwo as ZeroToTwo
from jaxloss.domains.sets import Embeddings as Embeddings
from jaxloss.domains.sets import FrameCounts as FrameCounts
from jaxloss.domains.sets import FrameLogits as FrameLogits
from jaxloss.domains.sets import Groups as Groups
from jaxloss.domains.sets import ItemScores as ItemScores
from jaxloss.domains.sets import Keys as Keys
from jaxloss.domains.sets import LabelCounts as LabelCounts
from jaxloss.domains.sets import PixelLabels as PixelLabels
from jaxloss.domains.sets import PixelLogits as PixelLogits
from jaxloss.domains.sets import PixelScores as PixelScores
from jaxloss.domains.sets import PixelSigns as PixelSigns
from jaxloss.domains.sets import Region as Region
from jaxloss.domains.sets import Regions as Regions
from jaxloss.domains.sets import Relevance as Relevance
from jaxloss.domains.sets import SequenceLabels as SequenceLabels
