"""The user's pages: Markdown beside this file, shown by `watcher manual`."""
