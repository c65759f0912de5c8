"""`python -m watcher`, and the command `watcher`."""

from watcher.agent.signals import START


def main() -> None:
    """Run the command line, and exit. `watcher run` hears signals before all else is imported, which takes a
    second."""
    START.begin()
    from watcher.cli import main as run

    run()


if __name__ == "__main__":
    main()
