"""Speed as ratios: our way and a bare one, alternated in one run on one machine (`make bench`).

A bare loop does the same rows with as little as possible and none of the product's promises: it is the limit, not a competitor.
"""
