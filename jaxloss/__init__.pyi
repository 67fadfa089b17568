# The public names, each with its home; `__init__.py` reads this file.

# generators against critics
from jaxloss.adversarial import Adversarial as Adversarial

# what makes losses
from jaxloss.checking import checked as checked
from jaxloss.contract import Loss as Loss
from jaxloss.contract import distance as distance
from jaxloss.contract import loss as loss
from jaxloss.contract import margin as margin
from jaxloss.facts import Facts as Facts

# groups of examples
from jaxloss.groups import group_averages as group_averages
from jaxloss.groups import group_dro_weights as group_dro_weights
from jaxloss.groups import worst_group as worst_group

# classification over a large vocabulary, without its logits
from jaxloss.heads import TokenLogProbabilities as TokenLogProbabilities
from jaxloss.heads import distillation_head as distillation_head
from jaxloss.heads import linear_head as linear_head
from jaxloss.heads import tied_head as tied_head
from jaxloss.heads import token_log_probabilities as token_log_probabilities

# classification over a large vocabulary
from jaxloss.losses.adaptive import adaptive_softmax as adaptive_softmax

# binary classification
from jaxloss.losses.binary import binary_cross_entropy as binary_cross_entropy
from jaxloss.losses.binary import sigmoid_binary_cross_entropy as sigmoid_binary_cross_entropy

# negative log-likelihoods of counts, positive numbers and proportions
from jaxloss.losses.bounded import beta_nll as beta_nll
from jaxloss.losses.bounded import gamma_nll as gamma_nll
from jaxloss.losses.bounded import negative_binomial_nll as negative_binomial_nll

# multiclass classification
from jaxloss.losses.classification import categorical_cross_entropy as categorical_cross_entropy
from jaxloss.losses.classification import softmax_cross_entropy as softmax_cross_entropy
from jaxloss.losses.classification import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)

# sets of embeddings in groups
from jaxloss.losses.contrastive import circle as circle
from jaxloss.losses.contrastive import ntxent as ntxent
from jaxloss.losses.contrastive import supervised_contrastive as supervised_contrastive

# what networks of diffusion models put out
from jaxloss.losses.denoising import clean_prediction as clean_prediction
from jaxloss.losses.denoising import denoising as denoising
from jaxloss.losses.denoising import flow_prediction as flow_prediction
from jaxloss.losses.denoising import velocity_prediction as velocity_prediction

# diffusion models: the squared error of the noise, weighted by the log-SNR
from jaxloss.losses.diffusion import edm as edm
from jaxloss.losses.diffusion import min_snr as min_snr
from jaxloss.losses.diffusion import noise_error as noise_error
from jaxloss.losses.diffusion import p2 as p2
from jaxloss.losses.diffusion import sigmoid_snr as sigmoid_snr
from jaxloss.losses.diffusion import truncated_snr as truncated_snr

# directions of vectors
from jaxloss.losses.directional import cosine_distance as cosine_distance
from jaxloss.losses.directional import cosine_similarity as cosine_similarity

# negative log-likelihoods on the line and on the circle
from jaxloss.losses.distribution import laplace_nll as laplace_nll
from jaxloss.losses.distribution import student_t_nll as student_t_nll
from jaxloss.losses.distribution import von_mises_nll as von_mises_nll

# divergences between distributions
from jaxloss.losses.divergence import cauchy_schwarz_divergence as cauchy_schwarz_divergence
from jaxloss.losses.divergence import generalized_jensen_shannon as generalized_jensen_shannon
from jaxloss.losses.divergence import jensen_shannon as jensen_shannon
from jaxloss.losses.divergence import kl_divergence as kl_divergence
from jaxloss.losses.divergence import (
    kl_divergence_with_log_targets as kl_divergence_with_log_targets,
)
from jaxloss.losses.divergence import reverse_kl as reverse_kl

# pairs of vectors, alike or not
from jaxloss.losses.embedding import cosine_embedding as cosine_embedding
from jaxloss.losses.embedding import hinge_embedding as hinge_embedding
from jaxloss.losses.embedding import minkowski_distance as minkowski_distance

# a regularised choice between classes
from jaxloss.losses.fenchel_young import fenchel_young as fenchel_young
from jaxloss.losses.fenchel_young import multiclass_perceptron as multiclass_perceptron
from jaxloss.losses.fenchel_young import multiclass_sparsemax as multiclass_sparsemax
from jaxloss.losses.fenchel_young import sparsemax as sparsemax

# cross-entropies that weigh by the mistake
from jaxloss.losses.focal import poly1_cross_entropy as poly1_cross_entropy
from jaxloss.losses.focal import sigmoid_focal as sigmoid_focal
from jaxloss.losses.focal import softmax_focal as softmax_focal

# images
from jaxloss.losses.image import isotropic_total_variation as isotropic_total_variation
from jaxloss.losses.image import ms_ssim as ms_ssim
from jaxloss.losses.image import psnr as psnr
from jaxloss.losses.image import ssim as ssim
from jaxloss.losses.image import total_variation as total_variation

# negative log-likelihoods
from jaxloss.losses.likelihood import gaussian_nll as gaussian_nll
from jaxloss.losses.likelihood import nll as nll
from jaxloss.losses.likelihood import poisson_nll as poisson_nll
from jaxloss.losses.likelihood import poisson_nll_with_log_rates as poisson_nll_with_log_rates

# segmentation by intersection over union, exactly
from jaxloss.losses.lovasz import lovasz_hinge as lovasz_hinge
from jaxloss.losses.lovasz import lovasz_softmax as lovasz_softmax

# margin-based, of the hinge kind
from jaxloss.losses.margin import cubed_hinge as cubed_hinge
from jaxloss.losses.margin import hinge as hinge
from jaxloss.losses.margin import modified_huber as modified_huber
from jaxloss.losses.margin import perceptron as perceptron
from jaxloss.losses.margin import smoothed_hinge as smoothed_hinge
from jaxloss.losses.margin import squared_hinge as squared_hinge

# two sets of embeddings that match one to one
from jaxloss.losses.matching import clip as clip
from jaxloss.losses.matching import info_nce as info_nce
from jaxloss.losses.matching import siglip as siglip

# multiclass scores and margins
from jaxloss.losses.multiclass import crammer_singer as crammer_singer
from jaxloss.losses.multiclass import one_hot_absolute_error as one_hot_absolute_error
from jaxloss.losses.multiclass import one_hot_squared_error as one_hot_squared_error
from jaxloss.losses.multiclass import one_vs_all as one_vs_all
from jaxloss.losses.multiclass import one_vs_each as one_vs_each
from jaxloss.losses.multiclass import weston_watkins as weston_watkins

# several labels an example
from jaxloss.losses.multilabel import multilabel_margin as multilabel_margin
from jaxloss.losses.multilabel import multilabel_soft_margin as multilabel_soft_margin

# classification with wrong labels
from jaxloss.losses.noise_robust import generalized_cross_entropy as generalized_cross_entropy
from jaxloss.losses.noise_robust import symmetric_cross_entropy as symmetric_cross_entropy
from jaxloss.losses.noise_robust import taylor_cross_entropy as taylor_cross_entropy

# segmentation by the overlap of regions
from jaxloss.losses.overlap import dice as dice
from jaxloss.losses.overlap import focal_tversky as focal_tversky
from jaxloss.losses.overlap import generalized_dice as generalized_dice
from jaxloss.losses.overlap import jaccard as jaccard
from jaxloss.losses.overlap import tversky as tversky

# pairs of scores, of which one is to be larger
from jaxloss.losses.pairwise import margin_ranking as margin_ranking
from jaxloss.losses.pairwise import ranking as ranking

# distance-based: powers of the error
from jaxloss.losses.power import absolute_error as absolute_error
from jaxloss.losses.power import half_squared_error as half_squared_error
from jaxloss.losses.power import lp as lp
from jaxloss.losses.power import squared_error as squared_error

# distance-based: asymmetric, or with a tolerance
from jaxloss.losses.quantile import epsilon_insensitive as epsilon_insensitive
from jaxloss.losses.quantile import expectile as expectile
from jaxloss.losses.quantile import linex as linex
from jaxloss.losses.quantile import pinball as pinball
from jaxloss.losses.quantile import quantile_huber as quantile_huber
from jaxloss.losses.quantile import squared_epsilon_insensitive as squared_epsilon_insensitive

# ranking of lists
from jaxloss.losses.ranking import ranking_softmax as ranking_softmax

# two sets of embeddings, by the moments of their features
from jaxloss.losses.redundancy import barlow_twins as barlow_twins
from jaxloss.losses.redundancy import vicreg as vicreg

# distance-based: between squared and absolute
from jaxloss.losses.regression import charbonnier as charbonnier
from jaxloss.losses.regression import fair as fair
from jaxloss.losses.regression import huber as huber
from jaxloss.losses.regression import log_cosh as log_cosh
from jaxloss.losses.regression import pseudo_huber as pseudo_huber
from jaxloss.losses.regression import smooth_l1 as smooth_l1

# errors in proportion to the target
from jaxloss.losses.relative import absolute_percentage_error as absolute_percentage_error
from jaxloss.losses.relative import squared_log_error as squared_log_error
from jaxloss.losses.relative import (
    symmetric_absolute_percentage_error as symmetric_absolute_percentage_error,
)

# distance-based: robust to outliers
from jaxloss.losses.robust import barron as barron
from jaxloss.losses.robust import cauchy as cauchy
from jaxloss.losses.robust import geman_mcclure as geman_mcclure
from jaxloss.losses.robust import tukey as tukey
from jaxloss.losses.robust import welsch as welsch

# negative log-likelihoods whose robustness is learned
from jaxloss.losses.robust_likelihood import barron_nll as barron_nll

# margin-based: bounded, robust to wrong labels
from jaxloss.losses.robust_margin import ramp as ramp
from jaxloss.losses.robust_margin import savage as savage
from jaxloss.losses.robust_margin import sigmoid as sigmoid
from jaxloss.losses.robust_margin import tangent as tangent

# distances of the softmax from the one-hot label
from jaxloss.losses.scoring import brier as brier
from jaxloss.losses.scoring import cauchy_schwarz as cauchy_schwarz
from jaxloss.losses.scoring import chebyshev as chebyshev
from jaxloss.losses.scoring import expectation as expectation
from jaxloss.losses.scoring import squared_log as squared_log
from jaxloss.losses.scoring import tanimoto as tanimoto

# sequences of labels
from jaxloss.losses.sequence import ctc as ctc

# margin-based: smooth
from jaxloss.losses.smooth_margin import dwd as dwd
from jaxloss.losses.smooth_margin import exponential as exponential
from jaxloss.losses.smooth_margin import logistic as logistic
from jaxloss.losses.smooth_margin import squared_margin as squared_margin
from jaxloss.losses.smooth_margin import unhinged as unhinged

# style and content of images, by the features of a network
from jaxloss.losses.style import gram as gram
from jaxloss.losses.style import perceptual as perceptual

# classification with two temperatures
from jaxloss.losses.tempered import bi_tempered_logistic as bi_tempered_logistic

# triplets of vectors
from jaxloss.losses.triplet import triplet as triplet
from jaxloss.losses.triplet import triplet_of as triplet_of
from jaxloss.losses.triplet import triplet_with_swap as triplet_with_swap

# codes with a prior, and from a codebook
from jaxloss.losses.variational import gaussian_kl as gaussian_kl
from jaxloss.losses.variational import nearest_code as nearest_code
from jaxloss.losses.variational import straight_through as straight_through

# targets that are soft, inputs that are mixed
from jaxloss.mixing import cutmix as cutmix
from jaxloss.mixing import mixup as mixup
from jaxloss.mixing import smooth_labels as smooth_labels

# noisy inputs and targets of diffusion and flow models
from jaxloss.noising import clean_from_noise as clean_from_noise
from jaxloss.noising import clean_from_velocity as clean_from_velocity
from jaxloss.noising import diffuse as diffuse
from jaxloss.noising import flow as flow
from jaxloss.noising import flow_log_snr as flow_log_snr
from jaxloss.noising import flow_velocity as flow_velocity
from jaxloss.noising import noise_from_clean as noise_from_clean
from jaxloss.noising import noise_from_velocity as noise_from_velocity
from jaxloss.noising import velocity as velocity

# functions of all pairs of two sets
from jaxloss.numerics.pairs import map_pairs as map_pairs

# objectives
from jaxloss.objective import Objective as Objective

# what must know that an axis is spread over devices
from jaxloss.parallel import all_gathered as all_gathered
from jaxloss.parallel import global_moments as global_moments
from jaxloss.parallel import in_ring as in_ring
from jaxloss.parallel import (
    vocabulary_parallel_cross_entropy as vocabulary_parallel_cross_entropy,
)

# penalties on slopes
from jaxloss.penalties import gradient_norm as gradient_norm
from jaxloss.penalties import interpolates as interpolates

# reductions
from jaxloss.reduction import Average as Average
from jaxloss.reduction import mean as mean
from jaxloss.reduction import mean_by_batch as mean_by_batch
from jaxloss.reduction import mean_by_count as mean_by_count
from jaxloss.reduction import mean_of_sequences as mean_of_sequences
from jaxloss.reduction import none as none
from jaxloss.reduction import segment_weights as segment_weights
from jaxloss.reduction import total as total

# reductions beyond the mean
from jaxloss.risk import cvar as cvar
from jaxloss.risk import flooded as flooded
from jaxloss.risk import hardest as hardest
from jaxloss.risk import self_paced as self_paced
from jaxloss.risk import tilted as tilted

# losses of losses
from jaxloss.transforms import clipped as clipped
from jaxloss.transforms import mixed as mixed
from jaxloss.transforms import with_temperature as with_temperature

__version__: str
