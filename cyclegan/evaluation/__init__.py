"""How good a run is: measures, the segmenter, the evaluation of every epoch."""
