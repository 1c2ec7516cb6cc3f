"""A site: other people, one odd scanner."""

from napari_medsynth.simulate import site, site_studies


def test_people_differ_and_share_one_scanner(monkeypatch):
    calls = []
    monkeypatch.setattr(
        site, "simulate_study", lambda seed, **scanner: calls.append((seed, scanner))
    )

    list(site_studies(2, first_seed=5))

    (one, scanner), (other, same) = calls
    assert (one, other) == (5, 6)
    assert scanner == same
    assert scanner["sequences"]["T1"].tr == 700
    assert scanner["settings"].bias > 0.06
