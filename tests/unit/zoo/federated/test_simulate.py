"""Whole federations on scikit-learn's digits: what they reach, what attackers can do to them, and that they repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.support.numpy_trainer import NumpyTrainer
from zoo.federated.clients import Attack, Client, Integers, Training
from zoo.federated.coordinator import Rules
from zoo.federated.documents import FORMS, Form
from zoo.federated.errors import ParticipantsError
from zoo.federated.page import page
from zoo.federated.parameters import Floats
from zoo.federated.rounds import RoundState
from zoo.federated.scenario import Scenario, Split
from zoo.federated.simulate import Figures, Simulation
from zoo.training.errors import RecipeError

RULES, TRAINING = Rules(), Training()
FEW = replace(RULES, rounds=8)


@cache
def digits() -> Scenario:
    return Scenario.named("digits")


@cache
def dealt(seed: int = 1) -> tuple[list[Client], tuple[Floats, Integers]]:
    clients, held_out = digits().dealt(Split.LABEL, 10, 0.3, seed)
    return [replace(client, x=client.x.reshape(-1, 64)) for client in clients], (
        held_out[0].reshape(-1, 64),
        held_out[1],
    )


def simulation(
    rules: Rules = FEW, training: Training = TRAINING, *, attackers: int = 0, clients: list[Client] | None = None
) -> Simulation:
    everyone, held_out = dealt()
    return Simulation(NumpyTrainer(64, 32, 10), clients or everyone, held_out, rules, training, attackers)


def run(
    rules: Rules = FEW, training: Training = TRAINING, *, attackers: int = 0, clients: list[Client] | None = None
) -> tuple[Figures, ...]:
    """The federation alone."""
    return simulation(rules, training, attackers=attackers, clients=clients).federated(quietly)


def quietly(*_told: object) -> None:
    """Nobody watches."""


def refused(rounds: tuple[Figures, ...]) -> dict[str, int]:
    return dict(sum((Counter(figures.refused) for figures in rounds), Counter()))


def test_002_6_ten_unlike_clients_come_within_three_points_of_one_training_on_all_their_samples() -> None:
    told: list[tuple[str, int, int]] = []
    found = simulation(RULES).run(lambda what, done, of, _words: told.append((what, done, of)))
    assert found.centralised_accuracy > 0.95
    assert found.federated_accuracy >= found.centralised_accuracy - 0.03
    # Nobody comes near that alone: the clients have few labels each.
    assert found.alone[-1].mean < found.alone[-1].best < found.federated_accuracy - 0.1
    assert [figures.averaged for figures in found.rounds[1:]] == [10] * 30
    assert told[0] == ("federated", 1, 30)
    assert told[-1] == ("each alone", 10, 10)


def test_what_is_held_out_is_at_no_client() -> None:
    clients, (x, _) = dealt()
    of_clients = {sample.tobytes() for client in clients for sample in client.x}
    shared = [sample for sample in x if sample.tobytes() in of_clients]
    assert sum(len(client.x) for client in clients) + len(x) == 1797
    assert not shared


@pytest.mark.parametrize("form", FORMS)
def test_smaller_forms_of_weights_cost_little_accuracy(form: Form) -> None:
    rounds = run(training=replace(TRAINING, form=form))
    assert rounds[-1].accuracy > 0.9
    size = {"float32": 4, "float16": 2, "int8": 1}[form] * 2410  # weights and biases of 64-32-10
    assert size < rounds[1].bytes_up / 10 < size + 250
    assert size < rounds[1].bytes_down / 10 < size + 250


def test_attackers_are_refused_and_the_accuracy_is_that_of_the_honest_alone() -> None:
    attacked, honest = run(attackers=3), run(clients=dealt()[0][:7])
    # Each round refuses all three; what is replayed counts once, in the first round.
    assert refused(attacked) == {"not_finite": 8, "outlier": 8, "stale_round": 7}
    assert attacked[-1].accuracy > honest[-1].accuracy - 0.03
    assert attacked[-1].accuracy > 0.85


def test_without_the_rule_against_outliers_one_attacker_ruins_the_model_and_clipping_holds_it() -> None:
    assert run(attackers=1)[-1].accuracy > 0.85
    assert run(replace(FEW, outlier_factor=None), attackers=1)[-1].accuracy < 0.3
    clipped = run(replace(FEW, outlier_factor=None, clip_norm=2.0), attackers=1)
    assert refused(clipped) == {}
    assert clipped[-1].accuracy > 0.7


def test_noise_that_hides_clients_costs_accuracy_as_much_as_there_is_of_it() -> None:
    little, much = (run(replace(FEW, clip_norm=2.0, noise_multiplier=noise)) for noise in (0.05, 5.0))
    assert little[-1].accuracy > 0.75
    assert much[-1].accuracy < 0.5


def test_a_round_asks_the_fraction_of_the_clients() -> None:
    assert [figures.selected for figures in run(replace(FEW, rounds=2, fraction=0.3))] == [0, 3, 3]


def test_too_few_good_updates_leave_the_model_as_it_was() -> None:
    # One of the three clients sends no numbers.
    rounds = run(replace(FEW, rounds=2, minimum_clients=3), clients=dealt()[0][:3], attackers=2)
    assert [figures.state for figures in rounds[1:]] == [RoundState.ABANDONED] * 2
    assert len({figures.loss for figures in rounds}) == 1


def test_a_client_whose_training_diverges_sends_nothing_and_the_others_go_on() -> None:
    clients = list(dealt()[0][:4])
    clients[3] = replace(clients[3], x=clients[3].x * np.float32(1e25))
    rounds = run(replace(FEW, rounds=2), clients=clients)
    assert [(figures.averaged, dict(figures.refused)) for figures in rounds[1:]] == [(3, {"diverged": 1})] * 2


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    rules = replace(FEW, rounds=2, fraction=0.5)
    first, again, other = run(rules), run(rules), run(replace(rules, seed=2))
    assert first == again
    assert first != other


def test_a_simulation_of_attackers_alone_is_refused() -> None:
    with pytest.raises(ParticipantsError, match="10 of 10"):
        run(attackers=10)


def test_002_6_the_page_compares_all_three_and_fetches_nothing() -> None:
    found = simulation(replace(FEW, rounds=2), attackers=1).run(quietly)
    clients, _ = dealt()
    assert found.attackers == {"client-10": Attack.SCALED}
    made = page("<digits>", found, {"alpha": 0.3, "clip_norm": None}, digits().distribution(clients), digits().labels)
    assert made.count("<svg") == 2
    assert "&lt;digits&gt;" in made
    assert f"{found.federated_accuracy:.1%} after 2 rounds" in made
    assert f"{found.centralised_accuracy:.1%}" in made
    assert "client-10 (scaled)" in made
    assert "<title>federated, round 2: " in made
    assert "clip_norm" not in made
    assert "<script" not in made
    assert "default-src 'none'" in made
    assert made.replace("http://www.w3.org/2000/svg", "").count("http") == 1  # http-equiv


def test_digits_are_split_by_writer_and_other_models_are_not() -> None:
    clients, _ = digits().dealt(Split.WRITER, 13, 0.3, 1)
    assert len(clients) == 13
    assert all(len(client.x) > 90 for client in clients)
    with pytest.raises(ParticipantsError, match="Nobody knows who made the samples of wine-mlp"):
        Scenario.named("wine-mlp").dealt(Split.WRITER, 3, 0.3, 1)


def test_a_model_without_labels_cannot_be_dealt_out() -> None:
    with pytest.raises(RecipeError, match="no classification") as caught:
        Scenario.named("hello-world-sine")
    assert "digits" in caught.value.remedy
