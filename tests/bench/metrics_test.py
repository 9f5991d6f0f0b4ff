# SPDX-License-Identifier: Apache-2.0
"""The metrics of tasks, by hand."""

import numpy as np
import pytest

import metrics
from marked import NAMES

BOX = (10, 10, 50, 50)


def test_a_box_goes_into_a_mirrored_view():
    # Ten pixels cut at the left, half the size, mirrored: of x = 10 .. 50 the view (20 wide) shows 0 .. 20.
    matrix = np.array([[-0.5, 0, 25], [0, 0.5, 0]])
    assert metrics.placed(matrix, BOX, (20, 20)) == ((0, 5, 20, 20), pytest.approx(0.75))


def test_what_is_cut_off_is_doubtful_and_what_is_outside_is_gone():
    shift = np.array([[1, 0, -25.0], [0, 1, 0]])
    marks = [("cat", BOX), ("dog", (30, 10, 60, 50)), ("cup", (0, 10, 20, 50))]
    found = metrics.marks_in_view(marks, shift, (100, 100))
    assert found == [("?", (0, 10, 25, 50)), ("dog", (5, 10, 35, 50))]


def test_a_mirrored_person_has_left_and_right_swapped():
    joints = {"nose": (30, 20), "left_eye": (40, 15), "right_knee": (95, 45)}
    mirrored = [[-1, 0, 90], [0, 1, 0]]
    box, places = metrics.person_in_view((10, 10, 50, 50), joints, mirrored, (90, 60))
    assert box == (40, 10, 80, 50)
    # The knee is outside.
    assert places == {"nose": (60, 20), "right_eye": (50, 15)}
    # Half of the person is left.
    assert metrics.person_in_view((-40, 10, 40, 50), joints, [[1, 0, 0], [0, 1, 0]], (90, 60)) == (
        (-40, 10, 40, 50),
        {},
    )


def test_average_precision_by_hand():
    # Strongest first: right, wrong, right. Precision 1 up to recall 1/2, then 2/3.
    marks = [[("cat", BOX)], [("cat", BOX)]]
    answers = [[(BOX, 0.9, "cat"), (BOX, 0.8, "dog")], [(BOX, 0.3, "cat")]]
    assert metrics.average_precision(marks, answers) == pytest.approx((1 + 2 / 3) / 2)


def test_a_better_precision_at_a_higher_recall_counts_for_the_lower_one():
    marks = [[("cat", BOX)], [("cat", BOX)]]
    answers = [[(BOX, 0.9, "dog"), (BOX, 0.8, "cat")], [(BOX, 0.7, "cat")]]
    assert metrics.average_precision(marks, answers) == pytest.approx(2 / 3)


def test_nothing_over_a_doubtful_area_is_asked_for_or_false():
    marks = [[("cat", BOX), ("?", (100, 100, 200, 200))]]
    answers = [[((120, 120, 180, 180), 0.95, "dog"), (BOX, 0.9, "cat")]]
    assert metrics.average_precision(marks, answers) == 1
    assert metrics.f1_of_boxes(marks, answers) == 1
    outside = [[((60, 120, 120, 180), 0.95, "dog"), (BOX, 0.9, "cat")]]
    assert metrics.average_precision(marks, outside) == 0.5
    assert metrics.f1_of_boxes(marks, outside) == pytest.approx(2 / 3)


def test_a_mark_is_found_once_and_by_its_own_label_and_place():
    marks = [[("cat", BOX)]]
    assert metrics.f1_of_boxes(marks, [[(BOX, 0.9, "cat"), (BOX, 0.8, "cat")]]) == pytest.approx(2 / 3)
    assert metrics.f1_of_boxes(marks, [[(BOX, 0.9, "dog")]]) == 0
    assert metrics.f1_of_boxes(marks, [[((10, 10, 50, 29), 0.9, "cat")]]) == 0
    assert metrics.f1_of_boxes(marks, [[(BOX, 0.3, "cat")]], least_score=0.5) == 0


def pose(at):
    joints = np.zeros((len(NAMES), 3))
    joints[:, :2] = at
    joints[0, :2] = np.add(at, (1, 1))
    return joints


def test_people_take_one_pose_each_and_those_without_one_count_nothing():
    person = ((0, 0, 100, 100), {"nose": (51, 51)})
    far = ((200, 0, 300, 100), {"nose": (251, 51)})
    assert metrics.mean_similarity([[person]], [[(pose((50, 50)), 0.9)]], 0.2) == pytest.approx(1)
    # The scale of the nose: k = 2 * 0.026, area 0.53 * 100 * 100; a pose one such length away has exp(-1/2).
    length = 0.052 * np.sqrt(5300)
    shifted = pose((50 + length, 50))
    assert metrics.mean_similarity([[person]], [[(shifted, 0.9)]], 0.2) == pytest.approx(np.exp(-0.5))
    assert metrics.mean_similarity([[person, far]], [[(pose((50, 50)), 0.9)]], 0.2) == pytest.approx(0.5)
    assert metrics.mean_similarity([[person]], [[(pose((50, 50)), 0.1)]], 0.2) == 0


def test_a_person_without_marked_joints_takes_a_pose_and_does_not_count():
    joints = np.zeros((len(NAMES), 3))
    joints[:, :2] = np.linspace((0, 0), (100, 100), len(NAMES))
    unmarked, person = ((0, 0, 100, 100), {}), ((0, 0, 100, 100), {"nose": (3, 0)})
    other = pose((3, 0))
    other[0, :2] = (3, 0)
    # The pose over the whole box is the unmarked person's, so that the marked one has the other or none.
    assert metrics.mean_similarity([[unmarked, person]], [[(joints, 0.9)]], 0.2) == 0
    assert metrics.mean_similarity([[unmarked, person]], [[(joints, 0.9), (other, 0.9)]], 0.2) == pytest.approx(1)


@pytest.mark.parametrize(("one", "other", "count"), [("", "abc", 3), ("kitten", "sitting", 3), ("a", "a", 0)])
def test_edits(one, other, count):
    assert metrics.edits(one, other) == metrics.edits(other, one) == count


def test_characters_right_weighs_lines_by_their_length():
    assert metrics.characters_right(["abcd", "ab"], ["abcd", "b"]) == pytest.approx(5 / 6)


def test_cuts():
    assert metrics.peaks([0.1, 0.6, 0.9, 0.2, 0.7], 0.5) == [2, 4]
    # One within two frames, one doubtful, one that nobody asked for; one of the cuts is not found.
    assert metrics.count_cuts([15, 45], [30], [13, 31, 60], tolerance=2) == (1, 2, 2)
    # A second frame near the same cut is false.
    assert metrics.count_cuts([15], [], [14, 16]) == (1, 2, 1)
    assert metrics.count_cuts([15], [], [12]) == (0, 1, 1)
