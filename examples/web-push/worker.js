importScripts("https://journeys.example.com/sojourn-sw.js");
