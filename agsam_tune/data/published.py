"""What is published: each data set's files, their digests, and where they are offered.

In: nothing. Out: `DATASETS`. Imports the standard library only.

Sources of the digests, all MD5 since that is what is published:
- MNIST and Fashion-MNIST: of the uncompressed files, since the gzip wrapper differs from
  one mirror to another. Computed from the published files, and equal to those that
  OpenMMLab's data sets check.
- CIFAR archives: www.cs.toronto.edu/~kriz/cifar.html.
- Members of the CIFAR-10 archive: two independent programs that check them agree. Those of
  the CIFAR-100 archive are known from one program alone, so they name a file, but are no
  reason to refuse one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["DATASETS", "Archive", "Dataset", "PublishedFile"]

Part = Literal["train", "test"]
Kind = Literal["images", "labels", "records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file of a data set, uncompressed.

    Attributes:
        name: its name; IDX files may have `.gz` added.
        part: what it belongs to.
        kind: what it holds; a record is a label with its image.
        examples: how many of them.
        md5: digest of the uncompressed content.
        confirmed: whether more than one source has this digest.
    """

    name: str
    part: Part
    kind: Kind
    examples: int
    md5: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A gzipped tar archive that holds all files of a data set.

    Attributes:
        name: its file name.
        md5: its digest, wrapper included.
        folder: the folder inside it that holds the files.
    """

    name: str
    md5: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A published data set of images.

    Attributes:
        name: what tasks call it.
        title: what people call it.
        shape: (channels, height, width) of an image.
        classes: number of classes.
        label_bytes: bytes before an image in a record, the last of them the label.
        files: its files; of `optional` ones some may be missing in a user's folder.
        optional: whether a part may consist of fewer files than published.
        folders: where its files may lie below a data folder, the first being where they
            lie below the cache folder.
        mirrors: URLs below which the files or the archive are offered.
        download_bytes: what the first mirror sends in all.
        archive: the archive that they come in, or None where they come one by one, gzipped.
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: int
    files: tuple[PublishedFile, ...]
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    download_bytes: int
    label_bytes: int = 0
    optional: bool = False
    archive: Archive | None = None

    def published(self, part: Part) -> int:
        """How many examples the published part has."""
        kinds = ("labels", "records")
        return sum(f.examples for f in self.files if f.part == part and f.kind in kinds)


def _idx_files(
    train_images: str, train_labels: str, test_images: str, test_labels: str
) -> tuple[PublishedFile, ...]:
    """The four files of MNIST and its like, from their digests."""
    rows: tuple[tuple[str, Part, Kind, int, str], ...] = (
        ("train-images-idx3-ubyte", "train", "images", 60_000, train_images),
        ("train-labels-idx1-ubyte", "train", "labels", 60_000, train_labels),
        ("t10k-images-idx3-ubyte", "test", "images", 10_000, test_images),
        ("t10k-labels-idx1-ubyte", "test", "labels", 10_000, test_labels),
    )
    return tuple(
        PublishedFile(name=name, part=part, kind=kind, examples=examples, md5=md5)
        for name, part, kind, examples, md5 in rows
    )


_CIFAR10 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "mnist": Dataset(
            name="mnist",
            title="MNIST",
            shape=(1, 28, 28),
            classes=10,
            files=_idx_files(
                "6bbc9ace898e44ae57da46a324031adb",
                "a25bea736e30d166cdddb491f175f624",
                "2646ac647ad5339dbf082846283269ea",
                "27ae3e4e09519cfbb04c329615203637",
            ),
            folders=("mnist", "MNIST/raw", "MNIST", ".", "raw"),
            download_bytes=11_594_722,
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
        ),
        "fashion_mnist": Dataset(
            name="fashion_mnist",
            title="Fashion-MNIST",
            shape=(1, 28, 28),
            classes=10,
            files=_idx_files(
                "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "9018921c3c673c538a1fc5bad174d6f9",
                "8181f5470baa50b63fa0f6fddb340f0a",
                "15d484375f8d13e6eb1aabb0c3f46965",
            ),
            folders=(
                "fashion_mnist",
                "fashion-mnist",
                "FashionMNIST/raw",
                "FashionMNIST",
                ".",
                "raw",
            ),
            download_bytes=30_878_645,
            mirrors=(
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
        ),
        "cifar10": Dataset(
            name="cifar10",
            title="CIFAR-10",
            shape=(3, 32, 32),
            classes=10,
            label_bytes=1,
            optional=True,
            files=tuple(
                PublishedFile(
                    name=name,
                    part="test" if name.startswith("test") else "train",
                    kind="records",
                    examples=10_000,
                    md5=md5,
                )
                for name, md5 in _CIFAR10.items()
            ),
            folders=("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar10", "."),
            download_bytes=170_052_171,
            mirrors=(
                "https://www.cs.toronto.edu/~kriz/",
                "https://cave.cs.toronto.edu/kriz/",
                "https://storage.googleapis.com/mirror.tensorflow.org/www.cs.toronto.edu/~kriz/",
            ),
            archive=Archive(
                name="cifar-10-binary.tar.gz",
                md5="c32a1d4ab5d03f1284b67883e8d87530",
                folder="cifar-10-batches-bin",
            ),
        ),
        "cifar100": Dataset(
            name="cifar100",
            title="CIFAR-100",
            shape=(3, 32, 32),
            classes=100,
            label_bytes=2,
            files=(
                PublishedFile(
                    name="train.bin",
                    part="train",
                    kind="records",
                    examples=50_000,
                    md5="6172c7755cfe09b2fe270c85cebc1b15",
                    confirmed=False,
                ),
                PublishedFile(
                    name="test.bin",
                    part="test",
                    kind="records",
                    examples=10_000,
                    md5="4499cfba6c016c1be1438163640a0898",
                    confirmed=False,
                ),
            ),
            folders=("cifar-100-binary", "cifar100/cifar-100-binary", "cifar100", "."),
            download_bytes=168_513_733,
            mirrors=(
                "https://www.cs.toronto.edu/~kriz/",
                "https://cave.cs.toronto.edu/kriz/",
            ),
            archive=Archive(
                name="cifar-100-binary.tar.gz",
                md5="03b5dce01913d631647c71ecec9e9cb8",
                folder="cifar-100-binary",
            ),
        ),
    }
)
