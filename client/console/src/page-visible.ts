import { signal } from '@preact/signals'

/** False while the page is in a hidden tab: what comes then was not seen. */
export const isPageVisible = signal(document.visibilityState === 'visible')
document.addEventListener('visibilitychange', () => {
  isPageVisible.value = document.visibilityState === 'visible'
})
