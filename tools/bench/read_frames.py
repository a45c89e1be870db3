"""Reads every frame of a dataset with the format's own library, in order, as RGB arrays; prints {frames, seconds} of the second pass.

read_frames.py video|images|hdf5|rlds FOLDER
read_frames.py make-hdf5 FILE FRAMES
"""
import glob, io, json, sys, time


def files(folder, pattern):
    return sorted(glob.glob(f"{folder}/**/{pattern}", recursive=True))


def video(folder):
    import av
    for path in files(folder, "*.mp4"):
        with av.open(path) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")


def images(folder):
    import numpy as np, pyarrow.parquet as pq
    from PIL import Image
    for path in files(f"{folder}/data", "*.parquet"):
        file = pq.ParquetFile(path)
        columns = [name for name in file.schema_arrow.names if name.startswith("observation.images.")]
        # A few rows at a time: a table of 200 images at once would be a test of memory.
        for batch in file.iter_batches(batch_size=16, columns=columns):
            for column in batch.columns:
                for cell in column:
                    yield np.asarray(Image.open(io.BytesIO(cell["bytes"].as_py())).convert("RGB"))


def hdf5(folder):
    import h5py
    for path in files(folder, "*.hdf5"):
        with h5py.File(path) as file:
            for demo in file["data"].values():
                cameras = [item for name, item in demo["obs"].items() if name.endswith("_rgb")]
                for step in range(len(demo["actions"])):
                    for camera in cameras:
                        yield camera[step]


def rlds(folder):
    import tensorflow_datasets as tfds
    for episode in tfds.builder_from_directory(folder).as_dataset(split="train"):
        for step in episode["steps"]:
            for value in step["observation"].values():
                if value.dtype.name == "uint8" and value.shape.rank == 3:
                    yield value.numpy()


def make_hdf5(path, frames):
    import h5py, numpy as np
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        for number in range(2):
            length = (frames + 1) // 2
            demo = data.create_group(f"demo_{number}")
            demo["actions"] = rng.standard_normal((length, 7))
            demo["obs/ee_states"] = rng.standard_normal((length, 6))
            demo["obs/gripper_states"] = rng.standard_normal((length, 2))
            smooth = np.stack([x, y, (x + y) // 2], -1) // 2
            demo["obs/agentview_rgb"] = np.stack(
                [smooth + step % 100 + rng.integers(0, 6, smooth.shape) for step in range(length)]).astype(np.uint8)


if sys.argv[1] == "make-hdf5":
    make_hdf5(sys.argv[2], int(sys.argv[3]))
else:
    read = {"video": video, "images": images, "hdf5": hdf5, "rlds": rlds}[sys.argv[1]]
    # The first pass loads libraries and fills the page cache.
    for _ in range(2):
        start = time.perf_counter()
        count = sum(1 for _ in read(sys.argv[2]))
        seconds = time.perf_counter() - start
    print(json.dumps({"frames": count, "seconds": seconds}))
