"""Pages: one front end of static JavaScript, served by the explorer or inside one HTML file.

Reports, comparisons and the explorer are made here. It reads run folders and scored populations;
trainings, evaluations, figures and films need none of it.
"""
