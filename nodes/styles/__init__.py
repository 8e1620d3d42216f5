"""The nodes of StyleExpert: they encode the style of an image and apply it to the model."""
