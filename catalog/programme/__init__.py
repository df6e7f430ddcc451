"""Planning a theatre's programme: the week view, planning many shows at once, copying a week.

A plan is previewed (`plans.preview`) and then applied (`plans.apply`), which checks it again:
shows that exist by then are skipped, so applying a plan twice creates no duplicates.
"""
