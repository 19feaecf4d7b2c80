"""The mannequin: a body of numbers that is shaped, posed, dressed and drawn, with every condition of what it shows."""
