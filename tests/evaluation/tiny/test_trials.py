"""Scenes of any size, and the targets of the instructions."""

import numpy as np
from styleroute.dataset.edits import EDITS, KEEP
from styleroute.evaluation.tiny.trials import INSTRUCTIONS, Instruction, choose_scenes, make_trial


def test_there_is_an_instruction_for_every_edit_of_the_image_and_of_an_object() -> None:
    assert len(INSTRUCTIONS) == 1 + 2 * len(EDITS)
    assert [wanted.by_region for wanted in INSTRUCTIONS] == [True, *[False] * len(EDITS), *[True] * len(EDITS)]


def test_the_target_of_a_trial_fits_its_instruction(photo, objects) -> None:
    [scene] = choose_scenes([photo], objects, 1, (96, 160), seed=0)
    [(name, mask)] = scene.masks.items()
    keep, whole, local = (
        make_trial(scene, wanted)
        for wanted in (
            Instruction("keep"),
            Instruction("darker", "darker"),
            Instruction("object darker", "darker", of_object=True),
        )
    )
    assert (keep.prompt, whole.prompt, local.prompt) == (KEEP, "make the image darker", f"make the {name} darker")
    assert np.array_equal(keep.target, scene.image)
    assert np.array_equal(local.target[mask == 0], scene.image[mask == 0])
    assert (whole.target <= scene.image).all()


def test_scenes_have_one_or_two_objects_and_the_size(photo, objects) -> None:
    scenes = choose_scenes([photo], objects, 4, (96, 160), seed=0)
    assert [len(scene.masks) for scene in scenes] == [1, 2, 1, 2]
    assert all(scene.image.shape == (96, 160, 3) for scene in scenes)
    again = choose_scenes([photo], objects, 4, (96, 160), seed=0)
    assert all(np.array_equal(one.image, two.image) for one, two in zip(scenes, again, strict=True))
