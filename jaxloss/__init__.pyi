# The public names, each with its home; `__init__.py` reads this file.

# generators against critics
# targets that are soft, inputs that are mixed
from jaxloss.augmentation import cutmix as cutmix
from jaxloss.augmentation import mixup as mixup
from jaxloss.augmentation import smooth_labels as smooth_labels
from jaxloss.core.facts import Facts as Facts
from jaxloss.core.loss import Loss as Loss
from jaxloss.core.loss import distance as distance
from jaxloss.core.loss import loss as loss
from jaxloss.core.loss import margin as margin

# objectives
from jaxloss.core.objective import Objective as Objective

# reductions
from jaxloss.core.reduction import Average as Average
from jaxloss.core.reduction import mean as mean
from jaxloss.core.reduction import mean_by_batch as mean_by_batch
from jaxloss.core.reduction import mean_by_count as mean_by_count
from jaxloss.core.reduction import mean_of_sequences as mean_of_sequences
from jaxloss.core.reduction import none as none
from jaxloss.core.reduction import segment_weights as segment_weights
from jaxloss.core.reduction import total as total

# what makes losses
from jaxloss.debug import checked as checked

# classification over a large vocabulary, without its logits
from jaxloss.heads import TokenLogProbabilities as TokenLogProbabilities
from jaxloss.heads import distillation_head as distillation_head
from jaxloss.heads import linear_head as linear_head
from jaxloss.heads import tied_head as tied_head
from jaxloss.heads import token_log_probabilities as token_log_probabilities

# functions of all pairs of two sets
from jaxloss.kernels.pairwise import map_pairs as map_pairs

# classification over a large vocabulary
from jaxloss.losses.classification.adaptive_softmax import adaptive_softmax as adaptive_softmax

# classification with two temperatures
from jaxloss.losses.classification.bi_tempered import bi_tempered_logistic as bi_tempered_logistic

# binary classification
from jaxloss.losses.classification.binary import binary_cross_entropy as binary_cross_entropy
from jaxloss.losses.classification.binary import (
    sigmoid_binary_cross_entropy as sigmoid_binary_cross_entropy,
)

# multiclass classification
from jaxloss.losses.classification.cross_entropy import (
    categorical_cross_entropy as categorical_cross_entropy,
)
from jaxloss.losses.classification.cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)
from jaxloss.losses.classification.cross_entropy import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)

# a regularised choice between classes
from jaxloss.losses.classification.fenchel_young import fenchel_young as fenchel_young
from jaxloss.losses.classification.fenchel_young import (
    multiclass_perceptron as multiclass_perceptron,
)
from jaxloss.losses.classification.fenchel_young import multiclass_sparsemax as multiclass_sparsemax
from jaxloss.losses.classification.fenchel_young import sparsemax as sparsemax

# cross-entropies that weigh by the mistake
from jaxloss.losses.classification.focal import poly1_cross_entropy as poly1_cross_entropy
from jaxloss.losses.classification.focal import sigmoid_focal as sigmoid_focal
from jaxloss.losses.classification.focal import softmax_focal as softmax_focal

# classification with wrong labels
from jaxloss.losses.classification.label_noise import (
    generalized_cross_entropy as generalized_cross_entropy,
)
from jaxloss.losses.classification.label_noise import (
    symmetric_cross_entropy as symmetric_cross_entropy,
)
from jaxloss.losses.classification.label_noise import taylor_cross_entropy as taylor_cross_entropy

# multiclass scores and margins
from jaxloss.losses.classification.multiclass_margin import crammer_singer as crammer_singer
from jaxloss.losses.classification.multiclass_margin import (
    one_hot_absolute_error as one_hot_absolute_error,
)
from jaxloss.losses.classification.multiclass_margin import (
    one_hot_squared_error as one_hot_squared_error,
)
from jaxloss.losses.classification.multiclass_margin import one_vs_all as one_vs_all
from jaxloss.losses.classification.multiclass_margin import one_vs_each as one_vs_each
from jaxloss.losses.classification.multiclass_margin import weston_watkins as weston_watkins

# several labels an example
from jaxloss.losses.classification.multilabel import multilabel_margin as multilabel_margin
from jaxloss.losses.classification.multilabel import (
    multilabel_soft_margin as multilabel_soft_margin,
)

# distances of the softmax from the one-hot label
from jaxloss.losses.classification.scoring import brier as brier
from jaxloss.losses.classification.scoring import cauchy_schwarz as cauchy_schwarz
from jaxloss.losses.classification.scoring import chebyshev as chebyshev
from jaxloss.losses.classification.scoring import expectation as expectation
from jaxloss.losses.classification.scoring import squared_log as squared_log
from jaxloss.losses.classification.scoring import tanimoto as tanimoto

# divergences between distributions
from jaxloss.losses.divergence.divergence import (
    cauchy_schwarz_divergence as cauchy_schwarz_divergence,
)
from jaxloss.losses.divergence.divergence import (
    generalized_jensen_shannon as generalized_jensen_shannon,
)
from jaxloss.losses.divergence.divergence import jensen_shannon as jensen_shannon
from jaxloss.losses.divergence.divergence import kl_divergence as kl_divergence
from jaxloss.losses.divergence.divergence import (
    kl_divergence_with_log_targets as kl_divergence_with_log_targets,
)
from jaxloss.losses.divergence.divergence import reverse_kl as reverse_kl

# codes with a prior, and from a codebook
from jaxloss.losses.divergence.variational import gaussian_kl as gaussian_kl
from jaxloss.losses.divergence.variational import nearest_code as nearest_code
from jaxloss.losses.divergence.variational import straight_through as straight_through

# directions of vectors
from jaxloss.losses.embedding.cosine import cosine_distance as cosine_distance
from jaxloss.losses.embedding.cosine import cosine_similarity as cosine_similarity

# two sets of embeddings, by the moments of their features
from jaxloss.losses.embedding.decorrelation import barlow_twins as barlow_twins
from jaxloss.losses.embedding.decorrelation import vicreg as vicreg

# sets of embeddings in groups
from jaxloss.losses.embedding.grouped import circle as circle
from jaxloss.losses.embedding.grouped import ntxent as ntxent
from jaxloss.losses.embedding.grouped import supervised_contrastive as supervised_contrastive

# two sets of embeddings that match one to one
from jaxloss.losses.embedding.paired import clip as clip
from jaxloss.losses.embedding.paired import info_nce as info_nce
from jaxloss.losses.embedding.paired import siglip as siglip

# pairs of vectors, alike or not
from jaxloss.losses.embedding.pairs import cosine_embedding as cosine_embedding
from jaxloss.losses.embedding.pairs import hinge_embedding as hinge_embedding
from jaxloss.losses.embedding.pairs import minkowski_distance as minkowski_distance

# triplets of vectors
from jaxloss.losses.embedding.triplet import triplet as triplet
from jaxloss.losses.embedding.triplet import triplet_of as triplet_of
from jaxloss.losses.embedding.triplet import triplet_with_swap as triplet_with_swap
from jaxloss.losses.generative.adversarial import Adversarial as Adversarial

# what networks of diffusion models put out
from jaxloss.losses.generative.denoising import clean_prediction as clean_prediction
from jaxloss.losses.generative.denoising import denoising as denoising
from jaxloss.losses.generative.denoising import flow_prediction as flow_prediction
from jaxloss.losses.generative.denoising import velocity_prediction as velocity_prediction

# diffusion models: the squared error of the noise, weighted by the log-SNR
from jaxloss.losses.generative.diffusion import edm as edm
from jaxloss.losses.generative.diffusion import min_snr as min_snr
from jaxloss.losses.generative.diffusion import noise_error as noise_error
from jaxloss.losses.generative.diffusion import p2 as p2
from jaxloss.losses.generative.diffusion import sigmoid_snr as sigmoid_snr
from jaxloss.losses.generative.diffusion import truncated_snr as truncated_snr

# noisy inputs and targets of diffusion and flow models
from jaxloss.losses.generative.forward_process import clean_from_noise as clean_from_noise
from jaxloss.losses.generative.forward_process import clean_from_velocity as clean_from_velocity
from jaxloss.losses.generative.forward_process import diffuse as diffuse
from jaxloss.losses.generative.forward_process import flow as flow
from jaxloss.losses.generative.forward_process import flow_log_snr as flow_log_snr
from jaxloss.losses.generative.forward_process import flow_velocity as flow_velocity
from jaxloss.losses.generative.forward_process import noise_from_clean as noise_from_clean
from jaxloss.losses.generative.forward_process import noise_from_velocity as noise_from_velocity
from jaxloss.losses.generative.forward_process import velocity as velocity

# penalties on slopes
from jaxloss.losses.generative.penalties import gradient_norm as gradient_norm
from jaxloss.losses.generative.penalties import interpolates as interpolates

# images
from jaxloss.losses.image.structure import isotropic_total_variation as isotropic_total_variation
from jaxloss.losses.image.structure import ms_ssim as ms_ssim
from jaxloss.losses.image.structure import psnr as psnr
from jaxloss.losses.image.structure import ssim as ssim
from jaxloss.losses.image.structure import total_variation as total_variation

# style and content of images, by the features of a network
from jaxloss.losses.image.style import gram as gram
from jaxloss.losses.image.style import perceptual as perceptual

# negative log-likelihoods whose robustness is learned
from jaxloss.losses.likelihood.barron import barron_nll as barron_nll

# negative log-likelihoods
from jaxloss.losses.likelihood.gaussian_poisson import gaussian_nll as gaussian_nll
from jaxloss.losses.likelihood.gaussian_poisson import nll as nll
from jaxloss.losses.likelihood.gaussian_poisson import poisson_nll as poisson_nll
from jaxloss.losses.likelihood.gaussian_poisson import (
    poisson_nll_with_log_rates as poisson_nll_with_log_rates,
)

# negative log-likelihoods on the line and on the circle
from jaxloss.losses.likelihood.location_scale import laplace_nll as laplace_nll
from jaxloss.losses.likelihood.location_scale import student_t_nll as student_t_nll
from jaxloss.losses.likelihood.location_scale import von_mises_nll as von_mises_nll

# negative log-likelihoods of counts, positive numbers and proportions
from jaxloss.losses.likelihood.overdispersed import beta_nll as beta_nll
from jaxloss.losses.likelihood.overdispersed import gamma_nll as gamma_nll
from jaxloss.losses.likelihood.overdispersed import negative_binomial_nll as negative_binomial_nll

# margin-based, of the hinge kind
from jaxloss.losses.margin.hinge import cubed_hinge as cubed_hinge
from jaxloss.losses.margin.hinge import hinge as hinge
from jaxloss.losses.margin.hinge import modified_huber as modified_huber
from jaxloss.losses.margin.hinge import perceptron as perceptron
from jaxloss.losses.margin.hinge import smoothed_hinge as smoothed_hinge
from jaxloss.losses.margin.hinge import squared_hinge as squared_hinge

# margin-based: bounded, robust to wrong labels
from jaxloss.losses.margin.robust import ramp as ramp
from jaxloss.losses.margin.robust import savage as savage
from jaxloss.losses.margin.robust import sigmoid as sigmoid
from jaxloss.losses.margin.robust import tangent as tangent

# margin-based: smooth
from jaxloss.losses.margin.smooth import dwd as dwd
from jaxloss.losses.margin.smooth import exponential as exponential
from jaxloss.losses.margin.smooth import logistic as logistic
from jaxloss.losses.margin.smooth import squared_margin as squared_margin
from jaxloss.losses.margin.smooth import unhinged as unhinged

# ranking of lists
from jaxloss.losses.ranking.listwise import ranking_softmax as ranking_softmax

# pairs of scores, of which one is to be larger
from jaxloss.losses.ranking.pairwise import margin_ranking as margin_ranking
from jaxloss.losses.ranking.pairwise import ranking as ranking

# distance-based: between squared and absolute
from jaxloss.losses.regression.huber import charbonnier as charbonnier
from jaxloss.losses.regression.huber import fair as fair
from jaxloss.losses.regression.huber import huber as huber
from jaxloss.losses.regression.huber import log_cosh as log_cosh
from jaxloss.losses.regression.huber import pseudo_huber as pseudo_huber
from jaxloss.losses.regression.huber import smooth_l1 as smooth_l1

# distance-based: powers of the error
from jaxloss.losses.regression.powers import absolute_error as absolute_error
from jaxloss.losses.regression.powers import half_squared_error as half_squared_error
from jaxloss.losses.regression.powers import lp as lp
from jaxloss.losses.regression.powers import squared_error as squared_error

# distance-based: asymmetric, or with a tolerance
from jaxloss.losses.regression.quantile import epsilon_insensitive as epsilon_insensitive
from jaxloss.losses.regression.quantile import expectile as expectile
from jaxloss.losses.regression.quantile import linex as linex
from jaxloss.losses.regression.quantile import pinball as pinball
from jaxloss.losses.regression.quantile import quantile_huber as quantile_huber
from jaxloss.losses.regression.quantile import (
    squared_epsilon_insensitive as squared_epsilon_insensitive,
)

# errors in proportion to the target
from jaxloss.losses.regression.relative import (
    absolute_percentage_error as absolute_percentage_error,
)
from jaxloss.losses.regression.relative import squared_log_error as squared_log_error
from jaxloss.losses.regression.relative import (
    symmetric_absolute_percentage_error as symmetric_absolute_percentage_error,
)

# distance-based: robust to outliers
from jaxloss.losses.regression.robust import barron as barron
from jaxloss.losses.regression.robust import cauchy as cauchy
from jaxloss.losses.regression.robust import geman_mcclure as geman_mcclure
from jaxloss.losses.regression.robust import tukey as tukey
from jaxloss.losses.regression.robust import welsch as welsch

# segmentation by intersection over union, exactly
from jaxloss.losses.segmentation.lovasz import lovasz_hinge as lovasz_hinge
from jaxloss.losses.segmentation.lovasz import lovasz_softmax as lovasz_softmax

# segmentation by the overlap of regions
from jaxloss.losses.segmentation.overlap import dice as dice
from jaxloss.losses.segmentation.overlap import focal_tversky as focal_tversky
from jaxloss.losses.segmentation.overlap import generalized_dice as generalized_dice
from jaxloss.losses.segmentation.overlap import jaccard as jaccard
from jaxloss.losses.segmentation.overlap import tversky as tversky

# sequences of labels
from jaxloss.losses.sequence.ctc import ctc as ctc

# what must know that an axis is spread over devices
from jaxloss.parallel import all_gathered as all_gathered
from jaxloss.parallel import global_moments as global_moments
from jaxloss.parallel import in_ring as in_ring
from jaxloss.parallel import (
    vocabulary_parallel_cross_entropy as vocabulary_parallel_cross_entropy,
)

# groups of examples
from jaxloss.reductions.groups import group_averages as group_averages
from jaxloss.reductions.groups import group_dro_weights as group_dro_weights
from jaxloss.reductions.groups import worst_group as worst_group

# reductions beyond the mean
from jaxloss.reductions.risk import cvar as cvar
from jaxloss.reductions.risk import flooded as flooded
from jaxloss.reductions.risk import hardest as hardest
from jaxloss.reductions.risk import self_paced as self_paced
from jaxloss.reductions.risk import tilted as tilted

# losses of losses
from jaxloss.wrappers import clipped as clipped
from jaxloss.wrappers import mixed as mixed
from jaxloss.wrappers import with_temperature as with_temperature

__version__: str
