"""How much of the content is kept, and how much of the style is taken, for settings of the dials of Style Guider."""
