"""Whether what clients were told can come of transactions that ran one after another; nothing else is known.

    histories ──> appends, registers ──> graph: who must come before whom, and why ──> cycles ──> words
                      └──> what is wrong by itself

transactions  what clients asked for and were told
graph         who must come before whom, and why
appends       histories of lists
registers     histories of single values
realtime      who was done before whom began
cycles        components, and the worst cycle in each
verdict       all that is wrong with a history

After Adya's phenomena and the way in which Elle infers them.
"""
