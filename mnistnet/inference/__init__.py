"""What a trained network says: `classifier.py` is the one place that answers, with calibration and "is it a digit?".

`evaluate.py` scores it on labelled images, `calibration.py` and `ood.py` fit how sure it may be,
`misclassified.py` lists its errors, `export.py` writes it in other formats.
From outside: `Classifier`, `evaluate`, and what those return.
"""
