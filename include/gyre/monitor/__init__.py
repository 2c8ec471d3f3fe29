"""Every night: collect what the champion answered, measure it, and ask for a new model when the rules say so.

collect     prediction logs -> the table `predictions`, exactly once
nights      which nights are due
windows     what was answered in a slice of event time, and the labels that had come by a night
performance metrics and calibration of a window
distances   how far two histograms lie apart: formulas
drift       a window against the champion's reference
thresholds  thresholds from the champion's own held-out rows
rules       k of n nights, cool-down, verdict, proposal: pure
report      the page people look at
decide      what the DAG asks and notes; the only one that meets the journal
"""
