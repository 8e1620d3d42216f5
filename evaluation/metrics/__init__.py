"""Metrics: plain functions on images [H, W, 3] uint8, on masks [H, W] and on attention maps [..., h, w]."""

from ...attention import map_iou, pointing, share_inside
from .image_distance import colour_distance, edge_correlation, edge_ssim, l1, multi_scale_ssim
from .line_seam import line_seam
from .psnr import psnr
from .region import background_mse, background_pixels, background_ssim, cell_coverage, object_box, seam
from .style_vector import cosine_similarity, nearest_style, predict_style_vector, style_centroids

__all__ = [
    "background_mse",
    "background_pixels",
    "background_ssim",
    "cell_coverage",
    "colour_distance",
    "cosine_similarity",
    "edge_correlation",
    "edge_ssim",
    "l1",
    "line_seam",
    "map_iou",
    "multi_scale_ssim",
    "nearest_style",
    "object_box",
    "pointing",
    "predict_style_vector",
    "psnr",
    "seam",
    "share_inside",
    "style_centroids",
]
