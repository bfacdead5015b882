"""`bascule completion SHELL`: what makes the shell complete commands, options, and the values that are known.

    eval "$(bascule completion bash)"                                        # now, or in ~/.bashrc
    bascule completion fish > ~/.config/fish/completions/bascule.fish

It is made from the parsers: by shtab for bash and zsh, here for fish.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

_SHELLS = ("bash", "zsh", "fish")
_FILES = {"FILE", "PATH", "EXE", "FILE|MODULE|DIR", "OUTPUT", "OLD NEW"}
_FOLDERS = {"DIR"}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a shell's completion",
        description="Print what makes a shell complete commands, options and their values. For bash: "
        'eval "$(bascule completion bash)"; for zsh: bascule completion zsh > a folder of $fpath, as _bascule; for '
        "fish: bascule completion fish > ~/.config/fish/completions/bascule.fish.",
    )
    parser.add_argument("shell", choices=_SHELLS, help="which shell")


def run(options: argparse.Namespace) -> int:
    """Print it."""
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """The completion of one shell."""
    from bascule.bridge.cli.parsers import whole_parser

    parser = whole_parser()
    if shell == "fish":
        return "\n".join(_fish(parser))
    import shtab

    _complete_places(parser)
    text: str = shtab.complete(parser, shell=shell)
    return text


def _complete_places(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which values are files, and which folders."""
    import shtab

    from bascule.bridge.cli.parsers import shown_actions, subcommands, value_words

    for action in shown_actions(parser):
        words = value_words(action)
        if words in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif words in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    for inner, _ in subcommands(parser).values():
        _complete_places(inner)


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    from bascule.bridge.cli.parsers import help_text, shown_actions, subcommands

    yield "# fish completion of bascule"
    for action in shown_actions(parser):
        yield _fish_line("__fish_use_subcommand", action, help_text(action))
    for name, (command, summary) in subcommands(parser).items():
        yield f"complete -c bascule -n __fish_use_subcommand -f -a {name} -d {_quoted(summary)}"
        here = f"'__fish_seen_subcommand_from {name}'"
        inner = subcommands(command)
        for word, (below, meaning) in inner.items():
            unless = f"'__fish_seen_subcommand_from {name}; and not __fish_seen_subcommand_from {' '.join(inner)}'"
            yield f"complete -c bascule -n {unless} -f -a {word} -d {_quoted(meaning)}"
            there = f"'__fish_seen_subcommand_from {name}; and __fish_seen_subcommand_from {word}'"
            yield from [_fish_line(there, one, help_text(one)) for one in shown_actions(below) if one.option_strings]
        for action in shown_actions(command):
            if action.option_strings or action.choices:
                yield _fish_line(here, action, help_text(action))


def _fish_line(condition: str, action: argparse.Action, meaning: str) -> str:
    words = ["complete -c bascule", "-n", condition]
    words += [
        f"-l {option.removeprefix('--')}" if option.startswith("--") else f"-s {option.removeprefix('-')}"
        for option in action.option_strings
    ]
    if action.choices is not None:
        words.append(f"-f{' -r' if action.option_strings else ''} -a {_quoted(' '.join(map(str, action.choices)))}")
    elif action.nargs != 0 and action.option_strings:
        words.append("-r")
    words.append(f"-d {_quoted(meaning)}")
    return " ".join(words)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
