"""A dataset without code: a folder with an index, recordings and a ``dataset.toml`` that says what is where.

`benchmark.registry` finds such folders under ``$ECGARENA_DATA`` and calls `folder_dataset`, which makes the class.
"""

from benchmark.datasets.folder.loader import FolderDataset, folder_dataset

__all__ = ["FolderDataset", "folder_dataset"]
