"""The commands, a file each.

`add_options(parser, words)` describes the command to argparse, where `words` is the command line;
`run(arguments)` does the work and prints the result.
"""
