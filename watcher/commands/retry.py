"""`watcher retry NAME...`: moves failed files back into the drop folder, where the agent takes them again."""

from watcher.agent.by_hand.putting_back import retry

__all__ = ["retry"]
