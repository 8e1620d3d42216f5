"""The nodes of RegionRoute: they stylise one named object, without a drawn mask."""
