"""Evaluates style experts: images in unseen styles, beside baselines and the teacher's images."""
