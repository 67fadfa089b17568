"""One model of real digits, trained in each framework in its own idiom, to 88 % on new writers.

Two terms, masks and weights: classes from labels of which a fifth is unknown and masked, and the
image rebuilt from the hidden layer, each image with a weight of its own.
"""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState
from sklearn.datasets import load_digits

import jaxloss as jl
from jaxloss import training

pytestmark = pytest.mark.slow

STEPS, RATE, HIDDEN, ACCURACY = 200, 1e-2, 32, 0.88
OBJECTIVE = jl.Objective(jl.softmax_cross_entropy_with_integer_labels, label_smoothing=0.05).at(
    "logits"
) + 0.1 * jl.Objective(jl.squared_error).at("image")


def _digits():
    """Training and test parts; unknown labels are -1 and masked."""
    images, labels = load_digits(return_X_y=True)
    images, labels = (images / 16).astype(np.float32), labels.astype(np.int32)
    rng = np.random.default_rng(0)
    unknown = rng.random(1400) < 0.2
    targets = {"logits": np.where(unknown, -1, labels[:1400]), "image": images[:1400]}
    where = {"logits": ~unknown}
    weights = {"image": rng.uniform(0.5, 1.5, 1400).astype(np.float32)}
    return images, labels, targets, where, weights


IMAGES, LABELS, TARGETS, WHERE, WEIGHTS = _digits()
BATCH = {"inputs": IMAGES[:1400], "targets": TARGETS, "where": WHERE, "weights": WEIGHTS}


def accuracy(logits):
    """On digits that were not trained on."""
    return float(np.mean(np.argmax(logits, -1) == LABELS[1400:]))


def test_flax_nnx():
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.hidden = nnx.Linear(64, HIDDEN, rngs=rngs)
            self.classes, self.image = (nnx.Linear(HIDDEN, n, rngs=rngs) for n in (10, 64))

        def __call__(self, images):
            hidden = nnx.relu(self.hidden(images))
            return {"logits": self.classes(hidden), "image": self.image(hidden)}

    model = Model(nnx.Rngs(0))
    plateau = optax.contrib.reduce_on_plateau(patience=20)
    optimizer = nnx.Optimizer(model, optax.chain(optax.adam(RATE), plateau), wrt=nnx.Param)
    bound = training.bind(OBJECTIVE, lambda model, images: model(images))

    @nnx.jit
    def step(model, optimizer, batch):
        value_of = lambda model: bound.with_terms(model, **batch)
        (value, outcome), grads = nnx.value_and_grad(value_of, has_aux=True)(model)
        optimizer.update(model, grads, value=value)
        return outcome.terms

    for _ in range(STEPS):
        terms = step(model, optimizer, BATCH)
    assert set(terms) == {"logits.softmax_cross_entropy_with_integer_labels", "image.squared_error"}
    assert accuracy(model(IMAGES[1400:])["logits"]) > ACCURACY


class _Linen(nn.Module):
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images):
        hidden = nn.relu(nn.Dense(HIDDEN, dtype=self.dtype)(images))
        heads = {"logits": 10, "image": 64}
        return {name: nn.Dense(size, dtype=self.dtype)(hidden) for name, size in heads.items()}


def test_flax_linen():
    model = _Linen()
    params = model.init(jax.random.key(0), IMAGES[:1])
    state = TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(RATE))

    @jax.jit
    def step(state, batch):
        bound = training.bind(OBJECTIVE, state.apply_fn)
        return state.apply_gradients(grads=jax.grad(bound)(state.params, **batch))

    for _ in range(STEPS):
        state = step(state, BATCH)
    assert accuracy(model.apply(state.params, IMAGES[1400:])["logits"]) > ACCURACY


def test_haiku():
    def forward(images):
        hidden = jax.nn.relu(hk.Linear(HIDDEN)(images))
        return {"logits": hk.Linear(10)(hidden), "image": hk.Linear(64)(hidden)}

    model = hk.without_apply_rng(hk.transform(forward))
    bound, optimizer = training.bind(OBJECTIVE, model.apply), optax.adam(RATE)
    params = model.init(jax.random.key(0), IMAGES[:1])

    @jax.jit
    def step(params, state, batch):
        updates, state = optimizer.update(jax.grad(bound)(params, **batch), state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(STEPS):
        params, state = step(params, state, BATCH)
    assert accuracy(model.apply(params, IMAGES[1400:])["logits"]) > ACCURACY


def test_equinox():
    class Model(eqx.Module):
        hidden: eqx.nn.Linear
        heads: dict[str, eqx.nn.Linear]

        def __init__(self, key):
            first, *rest = jax.random.split(key, 3)
            sizes = zip(("logits", "image"), (10, 64), rest, strict=True)
            self.hidden = eqx.nn.Linear(64, HIDDEN, key=first)
            self.heads = {name: eqx.nn.Linear(HIDDEN, size, key=k) for name, size, k in sizes}

        def __call__(self, image):
            hidden = jax.nn.relu(self.hidden(image))
            return {name: head(hidden) for name, head in self.heads.items()}

    model, optimizer = Model(jax.random.key(0)), optax.adam(RATE)
    bound = training.bind(OBJECTIVE, lambda model, images: jax.vmap(model)(images))

    @eqx.filter_jit
    def step(model, state, batch):
        _, grads = eqx.filter_value_and_grad(bound)(model, **batch)
        updates, state = optimizer.update(grads, state)
        return eqx.apply_updates(model, updates), state

    state = optimizer.init(eqx.filter(model, eqx.is_array))
    for _ in range(STEPS):
        model, state = step(model, state, BATCH)
    assert accuracy(jax.vmap(model)(IMAGES[1400:])["logits"]) > ACCURACY


@pytest.mark.parametrize("narrow", [jnp.bfloat16, jnp.float16])
def test_narrow_activations_give_single_losses_and_narrow_gradients(narrow):
    model = _Linen(dtype=narrow)
    params = model.init(jax.random.key(0), IMAGES[:1])
    predictions = model.apply(params, IMAGES[:1400])
    assert predictions["logits"].dtype == narrow
    masks = {"where": WHERE, "weights": WEIGHTS}
    value, slope = jax.value_and_grad(OBJECTIVE)(predictions, TARGETS, **masks)
    assert value.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(slope)} == {jnp.dtype(narrow)}
    exact = OBJECTIVE(jax.tree.map(lambda x: x.astype(jnp.float32), predictions), TARGETS, **masks)
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    grads = jax.grad(training.bind(OBJECTIVE, model.apply))(params, **BATCH)
    assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {jnp.dtype(jnp.float32)}


def test_what_a_batch_normalisation_learns_rides_beside_the_predictions():
    """A part of the predictions that no term looks at; the values are those of the model."""

    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, images):
            return nn.Dense(10)(nn.BatchNorm(use_running_average=False)(images))

    model = Normalised()
    variables = model.init(jax.random.key(0), IMAGES[:2])
    statistics = variables["batch_stats"]

    def apply(params, images):
        joined = {"params": params, "batch_stats": statistics}
        logits, changed = model.apply(joined, images, mutable=["batch_stats"])
        return {"logits": logits, **changed}

    classes = jl.Objective(jl.softmax_cross_entropy_with_integer_labels).at("logits")
    bound = training.bind(classes, apply)
    given = (variables["params"], IMAGES[:1400], {"logits": TARGETS["logits"]})
    (value, outcome), _ = jax.value_and_grad(bound.with_terms, has_aux=True)(*given, where=WHERE)
    assert np.isfinite(value)
    (mean,) = [x for x in jax.tree.leaves(outcome.predictions["batch_stats"]) if x[20] > 0][:1]
    assert np.any(mean != 0)


# Steps over parts of a batch.


LINE = jl.Objective(jl.softmax_cross_entropy_with_integer_labels).at("logits")
FEW = {"inputs": IMAGES[:96], "targets": {"logits": LABELS[:96]}}
SOME = {"where": {"logits": np.arange(96) % 4 > 0}}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_parts_of_a_batch_train_an_nnx_module_as_the_whole_does():
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.hidden = nnx.List([nnx.Linear(64, 16, rngs=rngs)])
            self.classes, self.activation = nnx.Linear(16, 10, rngs=rngs), nnx.relu

        def __call__(self, images):
            return {"logits": self.classes(self.activation(self.hidden[0](images)))}

    bound = training.bind(LINE, lambda model, images: model(images))
    several = training.accumulate(bound, 4)
    models = [Model(nnx.Rngs(0)) for _ in range(2)]
    optimizers = [nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param) for model in models]

    @nnx.jit
    def by_parts(model, optimizer):
        value, grads = several(model, *FEW.values(), **SOME)
        optimizer.update(model, grads)
        return value

    @nnx.jit
    def at_once(model, optimizer):
        value, grads = nnx.value_and_grad(lambda model: bound(model, **FEW, **SOME))(model)
        optimizer.update(model, grads)
        return value

    for _ in range(3):
        close(by_parts(models[0], optimizers[0]), at_once(models[1], optimizers[1]))
    jax.tree.map(close, *[nnx.to_pure_dict(nnx.state(model, nnx.Param)) for model in models])


def test_batch_statistics_and_dropout_go_on_from_part_to_part():
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.BatchNorm(64, momentum=0.5, rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)
            self.classes = nnx.Linear(64, 10, rngs=rngs)

        def __call__(self, images):
            return {"logits": self.classes(self.dropout(self.norm(images)))}

    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    bound = training.bind(LINE, lambda model, images: model(images))
    several = training.accumulate(bound, 2, aux=lambda *_: None)

    @nnx.jit
    def step(model, optimizer):
        (value, beside), grads = several(model, *FEW.values(), **SOME)
        optimizer.update(model, grads)
        nnx.update(model, nnx.state(beside.params, (nnx.BatchStat, nnx.RngState)))
        return value, beside.terms

    values = []
    for _ in range(30):
        value, terms = step(model, optimizer)
        values.append(float(value))
    (average,) = terms.values()
    close(average.value, value)
    assert int(average.mass) == np.sum(SOME["where"]["logits"])
    assert int(model.dropout.rngs.count[...]) == 2 * len(values)
    first, second = (IMAGES[i:96:2].mean(0) for i in (0, 1))
    close(model.norm.mean[...], (first + 2 * second) / 3)  # the limit of the mean by halves
    assert values[-1] < 0.5 * values[0]


def test_parts_of_a_batch_give_the_gradient_of_equinox():
    class Model(eqx.Module):
        layers: eqx.nn.MLP
        dropout: eqx.nn.Dropout
        factor: int
        shift: float
        absent: None = None

        def __call__(self, image, key):
            return self.dropout(self.layers(image), key=key) * self.factor + self.shift

    key = jax.random.key(0)
    model = Model(eqx.nn.MLP(64, 10, 16, 1, key=key), eqx.nn.Dropout(0.1), 2, 0.5)
    keys = jax.random.split(key, 96)
    bound = training.bind(LINE, lambda model, x: {"logits": jax.vmap(model)(*x)})
    batch = FEW | SOME | {"inputs": [FEW["inputs"], keys]}
    whole = eqx.filter_jit(eqx.filter_value_and_grad(bound))(model, **batch)
    parts = eqx.filter_jit(training.accumulate(bound, 4))(model, **batch)
    jax.tree.map(close, parts, whole)
    optimizer = optax.adam(RATE)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    updates, _ = optimizer.update(parts[1], state)
    eqx.apply_updates(model, updates)


def test_what_linen_learns_beside_the_parameters_is_given_for_each_part():
    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, images):
            normal = nn.BatchNorm(use_running_average=False, momentum=0.5)(images)
            return nn.Dense(10)(nn.Dropout(0.5, deterministic=False)(normal))

    model = Normalised()
    variables = model.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, IMAGES[:2])

    def apply(params, inputs):
        joined = {"params": params, "batch_stats": variables["batch_stats"]}
        rngs = {"dropout": inputs["key"]}
        logits, changed = model.apply(joined, inputs["x"], rngs=rngs, mutable=["batch_stats"])
        return {"logits": logits, **changed}

    statistics = lambda predictions, _: predictions["batch_stats"]
    several = training.accumulate(training.bind(LINE, apply), 2, aux=statistics)
    inputs = {"x": FEW["inputs"], "key": jax.random.key(2)}
    (_, beside), _ = jax.jit(several)(variables["params"], inputs, FEW["targets"], **SOME)
    means = beside.aux["BatchNorm_0"]["mean"]
    close(means, [0.5 * IMAGES[i:96:2].mean(0) for i in (0, 1)])
