"""How well the maps of object phrases find their objects: `styleroute calibrate`."""
