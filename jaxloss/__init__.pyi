# The public names by field, each with its home; `__init__.py` reads this file.

# Soft targets and mixed inputs
from .augmentation import cutmix as cutmix
from .augmentation import mixup as mixup
from .augmentation import smooth_labels as smooth_labels

# What a loss is
from .core import domains as domains
from .core.derive import derive as derive
from .core.facts import Facts as Facts
from .core.loss import Loss as Loss
from .core.loss import distance as distance
from .core.loss import loss as loss
from .core.loss import margin as margin

# Objectives and their reductions
from .core.objective import Objective as Objective
from .core.reduction import Average as Average
from .core.reduction import mean as mean
from .core.reduction import mean_by_batch as mean_by_batch
from .core.reduction import mean_by_count as mean_by_count
from .core.reduction import mean_of_sequences as mean_of_sequences
from .core.reduction import none as none
from .core.reduction import segment_weights as segment_weights
from .core.reduction import total as total

# The search for NaN and for values outside a domain
from .debug import checked as checked

# Linear heads, without their logits
from .heads import TokenLogProbabilities as TokenLogProbabilities
from .heads import distillation_head as distillation_head
from .heads import linear_head as linear_head
from .heads import tied_head as tied_head
from .heads import token_log_probabilities as token_log_probabilities

# Functions of all pairs of two sets
from .kernels.pairwise import map_pairs as map_pairs

# Classification
from .losses.classification.adaptive_softmax import adaptive_softmax as adaptive_softmax
from .losses.classification.bi_tempered import bi_tempered_logistic as bi_tempered_logistic
from .losses.classification.binary import binary_cross_entropy as binary_cross_entropy
from .losses.classification.binary import (
    sigmoid_binary_cross_entropy as sigmoid_binary_cross_entropy,
)
from .losses.classification.cross_entropy import (
    categorical_cross_entropy as categorical_cross_entropy,
)
from .losses.classification.cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from .losses.classification.cross_entropy import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)
from .losses.classification.fenchel_young import fenchel_young as fenchel_young
from .losses.classification.fenchel_young import multiclass_perceptron as multiclass_perceptron
from .losses.classification.fenchel_young import multiclass_sparsemax as multiclass_sparsemax
from .losses.classification.fenchel_young import sparsemax as sparsemax
from .losses.classification.focal import poly1_cross_entropy as poly1_cross_entropy
from .losses.classification.focal import sigmoid_focal as sigmoid_focal
from .losses.classification.focal import softmax_focal as softmax_focal
from .losses.classification.label_noise import (
    generalized_cross_entropy as generalized_cross_entropy,
)
from .losses.classification.label_noise import symmetric_cross_entropy as symmetric_cross_entropy
from .losses.classification.label_noise import taylor_cross_entropy as taylor_cross_entropy
from .losses.classification.multiclass_margin import crammer_singer as crammer_singer
from .losses.classification.multiclass_margin import (
    one_hot_absolute_error as one_hot_absolute_error,
)
from .losses.classification.multiclass_margin import one_hot_squared_error as one_hot_squared_error
from .losses.classification.multiclass_margin import one_vs_all as one_vs_all
from .losses.classification.multiclass_margin import one_vs_each as one_vs_each
from .losses.classification.multiclass_margin import weston_watkins as weston_watkins
from .losses.classification.multilabel import multilabel_margin as multilabel_margin
from .losses.classification.multilabel import multilabel_soft_margin as multilabel_soft_margin
from .losses.classification.scoring import brier as brier
from .losses.classification.scoring import cauchy_schwarz as cauchy_schwarz
from .losses.classification.scoring import chebyshev as chebyshev
from .losses.classification.scoring import expectation as expectation
from .losses.classification.scoring import squared_log as squared_log
from .losses.classification.scoring import tanimoto as tanimoto

# Divergence
from .losses.divergence.divergence import cauchy_schwarz_divergence as cauchy_schwarz_divergence
from .losses.divergence.divergence import generalized_jensen_shannon as generalized_jensen_shannon
from .losses.divergence.divergence import jensen_shannon as jensen_shannon
from .losses.divergence.divergence import kl_divergence as kl_divergence
from .losses.divergence.divergence import (
    kl_divergence_with_log_targets as kl_divergence_with_log_targets,
)
from .losses.divergence.divergence import reverse_kl as reverse_kl
from .losses.divergence.variational import gaussian_kl as gaussian_kl
from .losses.divergence.variational import nearest_code as nearest_code
from .losses.divergence.variational import straight_through as straight_through

# Embedding
from .losses.embedding.cosine import cosine_distance as cosine_distance
from .losses.embedding.cosine import cosine_similarity as cosine_similarity
from .losses.embedding.decorrelation import barlow_twins as barlow_twins
from .losses.embedding.decorrelation import vicreg as vicreg
from .losses.embedding.grouped import circle as circle
from .losses.embedding.grouped import ntxent as ntxent
from .losses.embedding.grouped import supervised_contrastive as supervised_contrastive
from .losses.embedding.paired import info_nce as info_nce
from .losses.embedding.paired import siglip as siglip
from .losses.embedding.paired import symmetric_info_nce as symmetric_info_nce
from .losses.embedding.pairs import cosine_embedding as cosine_embedding
from .losses.embedding.pairs import hinge_embedding as hinge_embedding
from .losses.embedding.pairs import minkowski_distance as minkowski_distance
from .losses.embedding.triplet import triplet as triplet
from .losses.embedding.triplet import triplet_of as triplet_of
from .losses.embedding.triplet import triplet_with_swap as triplet_with_swap

# Generation
from .losses.generative.adversarial import Adversarial as Adversarial
from .losses.generative.denoising import clean_prediction as clean_prediction
from .losses.generative.denoising import denoising as denoising
from .losses.generative.denoising import flow_prediction as flow_prediction
from .losses.generative.denoising import velocity_prediction as velocity_prediction
from .losses.generative.diffusion import edm as edm
from .losses.generative.diffusion import min_snr as min_snr
from .losses.generative.diffusion import noise_error as noise_error
from .losses.generative.diffusion import p2 as p2
from .losses.generative.diffusion import sigmoid_snr as sigmoid_snr
from .losses.generative.diffusion import truncated_snr as truncated_snr
from .losses.generative.forward_process import clean_from_noise as clean_from_noise
from .losses.generative.forward_process import clean_from_velocity as clean_from_velocity
from .losses.generative.forward_process import diffuse as diffuse
from .losses.generative.forward_process import flow as flow
from .losses.generative.forward_process import flow_log_snr as flow_log_snr
from .losses.generative.forward_process import flow_velocity as flow_velocity
from .losses.generative.forward_process import noise_from_clean as noise_from_clean
from .losses.generative.forward_process import noise_from_velocity as noise_from_velocity
from .losses.generative.forward_process import velocity as velocity
from .losses.generative.penalties import gradient_norm as gradient_norm
from .losses.generative.penalties import interpolates as interpolates

# Images
from .losses.image.structure import isotropic_total_variation as isotropic_total_variation
from .losses.image.structure import ms_ssim as ms_ssim
from .losses.image.structure import psnr as psnr
from .losses.image.structure import ssim as ssim
from .losses.image.structure import total_variation as total_variation
from .losses.image.style import gram as gram
from .losses.image.style import perceptual as perceptual

# Likelihood
from .losses.likelihood.barron import barron_nll as barron_nll
from .losses.likelihood.gaussian_poisson import gaussian_nll as gaussian_nll
from .losses.likelihood.gaussian_poisson import nll as nll
from .losses.likelihood.gaussian_poisson import poisson_nll as poisson_nll
from .losses.likelihood.gaussian_poisson import (
    poisson_nll_with_log_rates as poisson_nll_with_log_rates,
)
from .losses.likelihood.location_scale import laplace_nll as laplace_nll
from .losses.likelihood.location_scale import student_t_nll as student_t_nll
from .losses.likelihood.location_scale import von_mises_nll as von_mises_nll
from .losses.likelihood.overdispersed import beta_nll as beta_nll
from .losses.likelihood.overdispersed import gamma_nll as gamma_nll
from .losses.likelihood.overdispersed import negative_binomial_nll as negative_binomial_nll

# Binary classification by the margin
from .losses.margin.hinge import cubed_hinge as cubed_hinge
from .losses.margin.hinge import hinge as hinge
from .losses.margin.hinge import modified_huber as modified_huber
from .losses.margin.hinge import perceptron as perceptron
from .losses.margin.hinge import smoothed_hinge as smoothed_hinge
from .losses.margin.hinge import squared_hinge as squared_hinge
from .losses.margin.robust import ramp as ramp
from .losses.margin.robust import savage as savage
from .losses.margin.robust import sigmoid_margin as sigmoid_margin
from .losses.margin.robust import tangent as tangent
from .losses.margin.smooth import dwd as dwd
from .losses.margin.smooth import exponential as exponential
from .losses.margin.smooth import logistic as logistic
from .losses.margin.smooth import squared_margin as squared_margin
from .losses.margin.smooth import unhinged as unhinged

# Ranking
from .losses.ranking.listwise import ranking_softmax as ranking_softmax
from .losses.ranking.pairwise import margin_ranking as margin_ranking
from .losses.ranking.pairwise import ranking as ranking

# Regression
from .losses.regression.huber import charbonnier as charbonnier
from .losses.regression.huber import fair as fair
from .losses.regression.huber import huber as huber
from .losses.regression.huber import log_cosh as log_cosh
from .losses.regression.huber import pseudo_huber as pseudo_huber
from .losses.regression.huber import smooth_l1 as smooth_l1
from .losses.regression.powers import absolute_error as absolute_error
from .losses.regression.powers import half_squared_error as half_squared_error
from .losses.regression.powers import lp as lp
from .losses.regression.powers import squared_error as squared_error
from .losses.regression.quantile import epsilon_insensitive as epsilon_insensitive
from .losses.regression.quantile import expectile as expectile
from .losses.regression.quantile import linex as linex
from .losses.regression.quantile import pinball as pinball
from .losses.regression.quantile import quantile_huber as quantile_huber
from .losses.regression.quantile import squared_epsilon_insensitive as squared_epsilon_insensitive
from .losses.regression.relative import absolute_percentage_error as absolute_percentage_error
from .losses.regression.relative import squared_log_error as squared_log_error
from .losses.regression.relative import (
    symmetric_absolute_percentage_error as symmetric_absolute_percentage_error,
)
from .losses.regression.robust import barron as barron
from .losses.regression.robust import cauchy as cauchy
from .losses.regression.robust import geman_mcclure as geman_mcclure
from .losses.regression.robust import tukey as tukey
from .losses.regression.robust import welsch as welsch

# Segmentation
from .losses.segmentation.lovasz import lovasz_hinge as lovasz_hinge
from .losses.segmentation.lovasz import lovasz_softmax as lovasz_softmax
from .losses.segmentation.overlap import dice as dice
from .losses.segmentation.overlap import focal_tversky as focal_tversky
from .losses.segmentation.overlap import generalized_dice as generalized_dice
from .losses.segmentation.overlap import jaccard as jaccard
from .losses.segmentation.overlap import tversky as tversky

# Sequences
from .losses.sequence.ctc import ctc as ctc

# Losses of what is sharded over devices
from .parallel import all_gathered as all_gathered
from .parallel import global_moments as global_moments
from .parallel import in_ring as in_ring
from .parallel import vocabulary_parallel_cross_entropy as vocabulary_parallel_cross_entropy

# Reductions beyond the mean
from .reductions.groups import group_averages as group_averages
from .reductions.groups import group_dro_weights as group_dro_weights
from .reductions.groups import worst_group as worst_group
from .reductions.risk import cvar as cvar
from .reductions.risk import flooded as flooded
from .reductions.risk import hardest as hardest
from .reductions.risk import self_paced as self_paced
from .reductions.risk import tilted as tilted

# Losses of losses
from .wrappers import clipped as clipped
from .wrappers import mixed as mixed
from .wrappers import with_temperature as with_temperature

__version__: str
