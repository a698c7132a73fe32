"""Pages for people: one front end of static JavaScript, in a self-contained file or served.

Reports, comparisons and the explorer are made here. It reads run folders and scored populations;
trainings, evaluations, figures and films need none of it.
"""
