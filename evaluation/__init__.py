"""The trained experts on styles and photos that they never saw: pictures through ComfyUI, figures, and a verdict."""
