// How messages look. Loaded once there is one to show.

import type { Views } from "../board.js"
import { showBanner } from "./banner.js"
import { showTooltip } from "./bubble.js"
import { card } from "./card.js"
import { showModal } from "./modal.js"
import { showSlot } from "./slot.js"
import { showSurvey } from "./survey.js"
import { showTour } from "./tour.js"

export { makeStage } from "./stage.js"

/** The kinds that this build shows, but for `custom`. A new one is a module and a line. */
export const views: Views = {
  banner: { show: showBanner },
  modal: { show: showModal },
  tooltip: { show: showTooltip },
  card,
  slot: { show: (stage, see, element) => showSlot(stage, element!, see) },
  survey: { show: showSurvey, isSequence: true },
  tour: { show: showTour, isSequence: true },
}
