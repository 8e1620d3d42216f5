"""Painting one named object: the prompt that names it, its experts and RegionRoute's sampler."""
