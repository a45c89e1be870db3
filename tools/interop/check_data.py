"""Opens datasets that we wrote with real lerobot, compares all of them with what they were written from, and trains a step of ACT on each.

usage: check_data.py <folder>: each <folder>/<case> has dataset/, expected.json and <camera>.rgb with the frames' bytes.
"""

import inspect
import json
import sys
import tempfile
from pathlib import Path

import av
import datasets
import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy

try:
    from lerobot.datasets.utils import dataset_to_policy_features
except ImportError:
    from lerobot.utils.feature_utils import dataset_to_policy_features

CHUNK = 8
# Of 255: the worst frame's mean over its pixels.
VIDEO_MEAN = 3.0


def backend():
    try:
        from torchcodec.decoders import VideoDecoder  # noqa: F401

        return "torchcodec"
    except Exception:
        return "pyav"


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def check_case(folder):
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    root, name, fps = folder / "dataset", folder.name, expected["fps"]
    dataset = LeRobotDataset(f"local/{name}", root=root, video_backend=backend())
    steps = sum(len(episode["tasks"]) for episode in expected["episodes"])
    check(len(dataset) == steps, f"{len(dataset)} steps, {steps} were written")
    check(dataset.num_episodes == len(expected["episodes"]), "number of episodes")
    check(dataset.fps == fps, "rate")
    features = dataset.meta.features
    check(list(features["action"]["names"]) == expected["actionNames"], "names of actions")
    frames = {
        camera["feature"]: np.fromfile(folder / f"{camera['feature']}.rgb", np.uint8).reshape(
            steps, camera["height"], camera["width"], 3
        )
        for camera in expected["cameras"]
    }
    check(list(dataset.meta.camera_keys) == list(frames), f"cameras {dataset.meta.camera_keys}")
    worst = {camera: [0.0, 0] for camera in frames}
    # What is asked of a video is what 4:2:0 can hold of a frame: fine red beside fine blue is lost before anything is encoded.
    held = {
        camera: [as_yuv420(image) for image in images]
        for camera, images in frames.items()
        if features[camera]["dtype"] == "video"
    }
    lost = dict.fromkeys(held, 0.0)
    at = 0
    for index, episode in enumerate(expected["episodes"]):
        for step, task in enumerate(episode["tasks"]):
            item = dataset[at]
            where = f"episode {index} step {step}"
            check(item["episode_index"].item() == index and item["frame_index"].item() == step, where)
            check(item["index"].item() == at, f"{where}: index")
            check(item["task"] == task, f"{where}: task {item['task']!r}, expected {task!r}")
            check(abs(item["timestamp"].item() - step / fps) < 1e-6, f"{where}: timestamp")
            for feature, key in (("action", "actions"), ("observation.state", "state")):
                if episode[key] is None:
                    check(feature not in item, f"{where}: {feature} that was not written")
                    continue
                check(item[feature].dtype == torch.float32, f"{where}: {feature} is {item[feature].dtype}")
                given = np.atleast_1d(item[feature].numpy())
                check(np.array_equal(given, np.float32(episode[key][step])), f"{where}: {feature}")
            for camera, images in frames.items():
                image = item[camera].numpy()
                check(image.dtype == np.float32 and image.shape[0] == 3, f"{where}: {camera} {image.shape}")
                pixels = image.transpose(1, 2, 0) * 255
                difference = np.abs(pixels - images[at])
                if camera in held:
                    lost[camera] = max(lost[camera], float(difference.mean()))
                    difference = np.abs(pixels - held[camera][at])
                worst[camera][0] = max(worst[camera][0], float(difference.mean()))
                worst[camera][1] = max(worst[camera][1], int(np.round(difference.max())))
            at += 1
    for camera, (mean, most) in worst.items():
        if features[camera]["dtype"] == "image":
            check(mean < 1e-4, f"{camera}: images differ by {mean}")
        else:
            check(mean <= VIDEO_MEAN, f"{camera}: the worst frame differs by {mean:.2f} of 255 in the mean")
    check_tables(root, expected)
    check_statistics(dataset, root, expected, frames)
    loss = train(dataset, name, root, fps)
    pictures = "; ".join(
        f"{key.split('.')[-1]} mean ≤ {mean:.2f}, most {most} of 255"
        + (f" (of the frame before 4:2:0: mean ≤ {lost[key]:.2f})" if key in lost else "")
        for key, (mean, most) in worst.items()
    )
    print(f"  {name}: {steps} steps, {dataset.num_episodes} episodes; {pictures}; ACT's loss {loss:.3f}")


def as_yuv420(image):
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    return frame.to_ndarray(format="rgb24").astype(np.float32)


def check_tables(root, expected):
    """Without lerobot's own features the tables say what they hold: to the Hub's viewer, and to whoever reads them alone."""
    for path in sorted(root.glob("data/*/*.parquet")):
        table = datasets.Dataset.from_parquet(str(path), cache_dir=tempfile.mkdtemp())
        size = len(expected["actionNames"])
        if size > 1:
            check(table.features["action"].length == size, f"{path.name}: {table.features['action']}")
        for name, feature in table.features.items():
            is_image = name in {camera["feature"] for camera in expected["cameras"]}
            check(isinstance(feature, datasets.Image) == is_image, f"{path.name}: {name} is {feature}")


def check_statistics(dataset, root, expected, frames):
    stats = dataset.meta.stats
    for feature, key in (("action", "actions"), ("observation.state", "state")):
        if expected["episodes"][0][key] is None:
            continue
        rows = np.concatenate([np.float64(episode[key]) for episode in expected["episodes"]])
        for name in ("min", "max", "mean", "std"):
            given = np.asarray(stats[feature][name])
            check(np.issubdtype(given.dtype, np.floating), f"stats of {feature}: {name} is {given.dtype}")
            check(np.allclose(given, getattr(rows, name)(0), atol=1e-5), f"stats of {feature}: {name}")
        check(np.asarray(stats[feature]["count"]).tolist() == [len(rows)], f"stats of {feature}: count")
    for camera, images in frames.items():
        # Small episodes are looked at whole.
        pixels = images.reshape(-1, 3) / 255
        check(np.asarray(stats[camera]["mean"]).shape == (3, 1, 1), f"stats of {camera}: shape")
        check(np.allclose(np.ravel(stats[camera]["mean"]), pixels.mean(0), atol=0.02), f"stats of {camera}: mean")
        check(np.allclose(np.ravel(stats[camera]["std"]), pixels.std(0), atol=0.02), f"stats of {camera}: std")
    if (root / "meta/tasks.parquet").exists():
        check("q01" in stats["action"] and "q99" in stats["action"], "stats have no quantiles")
        for index, task in enumerate(dataset.meta.tasks.index):
            check(dataset.meta.tasks.loc[task].task_index == index, f"tasks.loc[{task!r}]")
            check(dataset.meta.get_task_index(task) == index, f"get_task_index({task!r})")


def train(dataset, name, root, fps):
    """One step of lerobot's ACT, made small, on a batch of the dataset."""
    chunked = LeRobotDataset(
        f"local/{name}",
        root=root,
        video_backend=backend(),
        delta_timestamps={"action": [i / fps for i in range(CHUNK)]},
    )
    features = dataset_to_policy_features(chunked.meta.features)
    outputs = {key: feature for key, feature in features.items() if key == "action"}
    config = ACTConfig(
        input_features={key: feature for key, feature in features.items() if key not in outputs},
        output_features=outputs,
        chunk_size=CHUNK,
        n_action_steps=CHUNK,
        dim_model=32,
        n_heads=2,
        dim_feedforward=32,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        pretrained_backbone_weights=None,
        device="cpu",
    )
    torch.manual_seed(0)
    batch = next(iter(torch.utils.data.DataLoader(chunked, batch_size=4, shuffle=True)))
    if "dataset_stats" in inspect.signature(ACTPolicy.__init__).parameters:
        policy = ACTPolicy(config, dataset_stats=chunked.meta.stats)
    else:
        from lerobot.policies.factory import make_pre_post_processors

        policy = ACTPolicy(config)
        prepare, _ = make_pre_post_processors(config, dataset_stats=chunked.meta.stats)
        batch = prepare(batch)
    policy.train()
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-4)
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    loss, _ = policy.forward(batch)
    loss.backward()
    optimizer.step()
    check(torch.isfinite(loss).item(), f"ACT's loss is {loss.item()}")
    moved = any(not torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))
    check(moved, "ACT's step changed nothing")
    return loss.item()


def main():
    failed = 0
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        try:
            check_case(folder)
        except Exception as error:
            failed += 1
            print(f"  FAILED {folder.name}: {type(error).__name__}: {error}")
            if not isinstance(error, AssertionError):
                import traceback

                traceback.print_exc()
    sys.exit(1 if failed else 0)


main()
