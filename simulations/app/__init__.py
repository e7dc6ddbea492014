"""The app that simulations run: small, and made so that what goes wrong shows.

schema    its tables
bank      accounts, whose sum stays
counters  counts, read and not read
names     what only one may have
chat      ranges, and moves between them
"""
