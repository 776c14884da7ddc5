"""From 4.2 to 4.3: configuration files, loaded plugins and the export; what cannot be translated is named with file and line."""
