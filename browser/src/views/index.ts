// How messages look. Loaded once there is one to show.

import type { Views } from "../board.js"
import { showBanner } from "./banner.js"
import { showTooltip } from "./bubble.js"
import { hasFeed, showCard } from "./card.js"
import { showModal } from "./modal.js"
import { showSurvey } from "./survey.js"
import { showTour } from "./tour.js"

export const views: Views = {
  hasFeed,
  card: showCard,
  banner: showBanner,
  modal: showModal,
  tooltip: showTooltip,
  survey: showSurvey,
  tour: showTour,
}
