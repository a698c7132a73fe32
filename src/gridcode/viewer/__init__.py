"""What people look at: one front end of static JavaScript, opened as a self-contained page or served by the explorer.

Reports, comparisons and the explorer are made here. It reads run folders and scored populations;
trainings, evaluations, figures and films need none of it.
"""
