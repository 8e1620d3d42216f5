"""Metrics: plain functions on images [H, W, 3] uint8, on masks [H, W] and on attention maps [..., h, w].

A metric that needs a neural network takes lists of images and a model of `evaluation.metric_models`, and returns one
number for each image. docs/metrics.md describes each metric.
"""

from ...attention import map_iou, pointing, share_inside
from .aesthetic_score import aesthetic_score
from .background_lpips import background_lpips
from .clip_similarity import clip_similarity
from .csd_similarity import csd_similarity
from .dino_similarity import dino_similarity
from .dreamsim_distance import dreamsim_distance
from .expert_overlap import chance_overlap, expert_overlap
from .focus import focus
from .image_distance import colour_distance, edge_correlation, edge_ssim, l1, multi_scale_ssim
from .line_seam import line_seam
from .psnr import psnr
from .region import background_mse, background_pixels, background_ssim, cell_coverage, object_box, seam
from .region_questions import RegionAnswers, region_questions
from .region_style_match import mask_box, region_style_match
from .semantic_bias import SemanticBias, semantic_bias
from .style_vector import cosine_similarity, nearest_style, predict_style_vector, style_centroids
from .swaps import is_swapped
from .vlm_semantic_score import SemanticAnswers, semantic_answers, vlm_semantic_score

__all__ = [
    "RegionAnswers",
    "SemanticAnswers",
    "SemanticBias",
    "aesthetic_score",
    "background_lpips",
    "background_mse",
    "background_pixels",
    "background_ssim",
    "cell_coverage",
    "chance_overlap",
    "clip_similarity",
    "colour_distance",
    "cosine_similarity",
    "csd_similarity",
    "dino_similarity",
    "dreamsim_distance",
    "edge_correlation",
    "edge_ssim",
    "expert_overlap",
    "focus",
    "is_swapped",
    "l1",
    "line_seam",
    "map_iou",
    "mask_box",
    "multi_scale_ssim",
    "nearest_style",
    "object_box",
    "pointing",
    "predict_style_vector",
    "psnr",
    "region_questions",
    "region_style_match",
    "seam",
    "semantic_answers",
    "semantic_bias",
    "share_inside",
    "style_centroids",
    "vlm_semantic_score",
]
