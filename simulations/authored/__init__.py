"""An app of somebody's own under simulation: its clients, what its author says must be true, and what always must.

declarations  `invariant`, `workload`, `eventually`, `sometimes`: what an author writes, and where it is found
state         what an invariant sees: the documents as of one entry, and what clients have asked for
references    ids that a plan names before there are documents
drawing       operations from the types of the functions
strategies    operations from an author's workloads, drawn by Hypothesis
planning      plans from seeds, made of these operations
replayed      a run laid over its log: the state after each entry, by running nothing and by running all again
checks        what is wrong with a run
remarks       what is not wrong yet, and will be with more data
watching      a campaign done again whenever the app changes
campaign      all of it as one subject of a campaign
"""
