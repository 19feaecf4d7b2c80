"""A store's people as mannequins."""

import numpy as np
import pytest
from training_people import NoisePeople, store

from preprocessors.densepose import PARTS
from training.data.fitted import fitted_iuv
from training.data.records import Record
from training.data.sources import open_people
from training.errors import TrainingError


@pytest.fixture(scope="module")
def people():
    pytest.importorskip("anny")
    return open_people("synthetic:split=test,identities=4,views=2,size=256x192,backdrop=studio")


def test_the_body_is_where_the_person_is(people):
    """Part by part, of people whose true DensePose is known."""
    overlaps = []
    for name in people.names:
        record = people.record(name)
        found, truth = fitted_iuv(record)[..., 0], record.fields["iuv"][..., 0]
        both, either = ((found > 0) & (truth > 0)).sum(), ((found > 0) | (truth > 0)).sum()
        overlaps.append(both / either)
        same = (found == truth)[(found > 0) & (truth > 0)].mean()
        assert same > 0.5, name
    assert np.mean(overlaps) > 0.6


def test_by_the_photo_it_is_where_the_person_is_too(people):
    record = people.record(people.names[0])
    found, truth = fitted_iuv(record, "photo")[..., 0], record.fields["iuv"][..., 0]
    both = (found > 0) & (truth > 0)
    assert both.sum() > 0.75 * ((found > 0) | (truth > 0)).sum() and (found == truth)[both].mean() > 0.7
    # Nothing but the picture is read.
    alone = Record("x", "x", "x", record.image, {})
    assert np.array_equal(fitted_iuv(alone, "photo")[..., 0], found)


def test_nobody_is_an_empty_map():
    image = np.zeros((64, 48, 3), np.uint8)
    empty = Record("x", "x", "x", image, {"people": np.zeros((0, 18, 3), np.float32)})
    assert not fitted_iuv(empty).any() and fitted_iuv(empty).shape == (64, 48, 3)
    with pytest.raises(TrainingError, match="no 'keypoints'"):
        fitted_iuv(Record("x", "x", "x", image, {}))


def test_a_store_in_mannequins(tmp_path):
    store(NoisePeople(2), tmp_path / "store")
    plain, fitted, kept = (
        open_people(f"{kind}:{tmp_path / 'store'}{more}")
        for kind, more in (("stored", ""), ("fitted", ""), ("fitted", ",textures=kept"))
    )
    assert fitted.names == plain.names and fitted.pairs == plain.pairs
    before, after = plain.record("p0-v1"), fitted.record("p0-v1")
    assert np.array_equal(after.fields["iuv"], fitted_iuv(before)) and after.fields["iuv"].max() <= 255
    assert int(after.fields["iuv"][..., 0].max()) <= PARTS
    left_out = {"texture", "texture_latent", "texture_clip"}
    assert after.fields.keys() == before.fields.keys() - left_out
    assert kept.record("p0-v1").fields.keys() == before.fields.keys()
    with pytest.raises(TrainingError, match="keypoints, photo"):
        open_people(f"fitted:{tmp_path / 'store'},by=hand")
    with pytest.raises(TrainingError, match="anew, kept"):
        open_people(f"fitted:{tmp_path / 'store'},textures=some")
