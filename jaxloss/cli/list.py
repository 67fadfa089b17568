"""The options of `jaxloss list`, and what it does with them."""

import argparse

from jaxloss.cli.failure import fail

DESCRIPTION = "List every loss with its one-line description, by field and family."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    parser.description = DESCRIPTION
    parser.add_argument("--family", help="only those of this field or family")
    parser.add_argument(
        "--into",
        metavar="FILE",
        help="rewrite the tables of losses and of peers in a Markdown FILE",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the losses, or write their tables; returns the exit code."""
    from jaxloss.catalog import UnknownNameError, fields, write_tables  # loads JAX

    # The tables replace what stands in the file: those of one family would delete all others.
    if arguments.into and arguments.family:
        reason = "--into FILE writes the tables of all families: leave out --family"
        return fail("jaxloss", reason)
    try:
        if arguments.into:
            write_tables(arguments.into)
            return 0
        shown = fields(arguments.family)
    except (UnknownNameError, OSError, ValueError) as error:
        return fail("jaxloss", error)
    width = max(len(x.name) for field in shown for family in field.families for x in family.entries)
    for field in shown:
        print(f"\n{field.name}: {field.summary}")
        for family in field.families:
            print(f"\n  {family.name}: {family.summary}")
            for entry in family.entries:
                print(f"    {entry.name:{width}}  {entry.summary}")
    return 0
