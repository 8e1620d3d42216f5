"""`styleroute evaluate report`: one page and one table from the scores of our evaluations.

kinds.py         the evaluations, their metrics, and how their files are recognised
rows.py          scored images, and the tidy table of their values
readers.py       reads the scores of each evaluation
runs.py          finds and reads the folders that a user gives
intervals.py     means with bootstrap intervals, clustered by style and content
comparison.py    the paired comparison of two methods
run_pairs.py     which methods of two runs are compared
published.py     the papers' own figures, from published.json
images.py        small copies of images inside the page
plots.py, svg.py plots inside the page
html.py          escaped text, tables and sections
tables.py, figures.py, page.py    the parts of the page, and the page
make.py          from folders to files
"""
