"""Data sets of people: one interface for synthetic people, the field's data sets and anyone's folder of photos."""
