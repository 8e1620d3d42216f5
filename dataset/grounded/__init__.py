"""Region samples from photos with segmented objects: one object of each photo is stylised, and the rest stays.

select_photos.py    chooses the photos with a fitting object, and sets the others aside
styles.py           the styles by name, each with its prompt, style image or LoRA
stylists.py         what a stylist is; images from a folder, and the painting teacher
comfy_stylist.py    stylises in a running ComfyUI, with a workflow as a template
diffusers_stylist.py stylises with a pipeline of diffusers
kept_images.py      keeps stylised images in a folder, so that an interrupted run continues
grounded_scenes.py  blends photo and stylised image by the object's mask
"""
