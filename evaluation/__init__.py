"""The trained experts on styles and photos that they never saw: images through ComfyUI, figures, and a verdict."""
