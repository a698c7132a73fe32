"""What people look at: one front end of static JavaScript, opened as a self-contained report or served by the explorer.

It reads run folders and scored populations and nothing else reads it: without this folder all numbers and figures are still there.
"""
